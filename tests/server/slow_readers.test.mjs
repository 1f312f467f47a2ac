// SPDX-License-Identifier: MIT
// Members that stop reading in a hot room, under each policy: what they miss is
// told exactly, the others miss nothing, and memory stays within the flags.
import assert from 'node:assert/strict';
import { eventually, INSTRUMENTED, scenario } from './harness.mjs';
import { flood, member } from './wire.mjs';

const ROOM = 'hot';
const KIB = 1 / 1024, MIB = 1;
// About 2.2 KB on the wire: the kernel keeps some MiB for each connection, and
// only what is past that becomes the server's.
const text = (n) => `${n} ${'🎉'.repeat(490)}`;
const READERS = INSTRUMENTED ? 40 : 200;
const COMMENTS = 4_000;

const FLAGS = {
    limits: 'off', history: 100, 'history-bytes': '256K',
    'outbox-messages': 64, 'outbox-bytes': '128K', 'outbox-age-ms': 120_000, 'grace-ms': 1_500,
};
// What the server keeps for one slow reader: its outbox, what the socket's queue
// takes before it answers busy (64 KiB), and the batch that passed that mark
// (64 KiB). The outbox holds payloads; the rest is what the allocator rounds.
const SLOW_MIB = 128 * KIB + 64 * KIB + 64 * KIB + 32 * KIB;
const HISTORY_MIB = 256 * KIB;

/** The room's last number, as one who comes now is told. */
async function last_seq(server) {
    const late = await member(server, ROOM, 'late');
    late.net.destroy();
    return late.hearing.joined.seq;
}

async function crowd(server, name, count) {
    const members = [];
    for (let i = 0; i < count; ++i) members.push(await member(server, ROOM, `${name}-${i}`));
    return members;
}

/** Each heard all of what it did not miss, in order, up to `last`. */
async function whole(members, last) {
    for (const one of members) {
        const { hearing } = one;
        await one.when(() => hearing.last === last || hearing.faults.length, `number ${last}`);
        assert.deepEqual(hearing.faults, []);
        assert.equal(hearing.heard + hearing.missed, last - hearing.joined.seq);
    }
}

/** While `body` runs, the most memory that the server had. */
async function most_memory(server, body) {
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, server.memory())), 20);
    await body().finally(() => clearInterval(watch));
    return most;
}

for (const policy of ['drop_oldest', 'drop_newest']) {
    scenario(`${policy}: of ${READERS} who read nobody misses anything, and each slow one is told exactly what it missed`,
        { ...FLAGS, 'slow-readers': policy }, async (server) => {
            const readers = await crowd(server, 'reader', READERS);
            const slow = await crowd(server, 'slow', 6);
            // All stop for as long as the flood lasts; half of them catch up once.
            for (const one of slow) one.pause();
            const [reader] = readers;
            const halfway = reader.when(() => reader.hearing.last > COMMENTS / 2, 'half of it', 60_000).then(async () => {
                const some = slow.slice(3);
                const here = reader.hearing.last;
                for (const one of some) one.resume();
                await Promise.all(some.map((one) => one.when(() => one.hearing.last >= here, 'catching up')));
                for (const one of some) one.pause();
            });
            await flood(server, ROOM, { total: COMMENTS, text, abreast: readers });
            await halfway;
            for (const one of slow) one.resume();
            await flood(server, ROOM, { total: 100, text, abreast: readers });

            const last = await last_seq(server);
            assert.equal(last, COMMENTS + 100);
            await whole(readers, last);
            await whole(slow, last);
            for (const { hearing } of readers) assert.equal(hearing.missed, 0);
            for (const { hearing } of slow) assert.ok(hearing.gaps > 0, 'it was slow enough to miss something');
        }, { timeout: 120_000 });
}

scenario(`disconnect: who reads too slowly is sent away with 4100, and of ${READERS} others nobody notices`,
    { ...FLAGS, 'slow-readers': 'disconnect' }, async (server) => {
        const readers = await crowd(server, 'reader', READERS);
        const slow = await crowd(server, 'slow', 6);
        for (const one of slow) one.pause();
        const noticed = [];
        for (const { hearing } of readers) hearing.other = ({ event }) => event !== 'presence' && noticed.push(event);
        const flooded = flood(server, ROOM, { total: COMMENTS, text, abreast: readers });
        // They are out of the room while they do not read yet.
        const in_room = () => server.counts(ROOM);
        await eventually(in_room, ({ users }) => users === READERS + 4 || users === READERS, 'who is in the room');
        for (const one of slow) one.resume();
        for (const one of slow) {
            await one.closed;
            const { farewell, faults, gaps, heard, last, joined } = one.hearing;
            assert.deepEqual(faults, []);
            assert.equal(farewell?.code, 4100, JSON.stringify(farewell));
            assert.equal(farewell.reconnect, 'backoff');
            assert.equal(farewell.room, ROOM);
            assert.equal(one.end.code, 4100);
            assert.equal(gaps, 0, 'no member misses anything');
            assert.equal(heard, last - joined.seq);
        }
        await flooded;
        const last = await last_seq(server);
        assert.equal(last, COMMENTS);
        await whole(readers, last);
        for (const { hearing } of readers) assert.equal(hearing.missed, 0);
        assert.deepEqual(noticed, []);
    }, { timeout: 120_000 });

// Each flood is several times what may be kept, and the slow ones stop at
// different moments, so that they do not all wait for the same frames. What was
// freed may stay with the allocator: then the second flood uses it again.
for (const policy of ['drop_oldest', 'drop_newest', 'disconnect']) {
    scenario(`${policy}: memory stays within the flags while many read nothing, flood after flood`,
        { ...FLAGS, 'slow-readers': policy, 'grace-ms': 60_000 }, async (server) => {
            const SLOW = 24, FLOOD = INSTRUMENTED ? 5_000 : 16_000;
            const readers = await crowd(server, 'reader', 2);
            await flood(server, ROOM, { total: 500, text, abreast: readers });  // the history is full
            const before = server.memory();
            const bound = before + SLOW * SLOW_MIB + HISTORY_MIB + 2 * MIB;
            for (let round = 0; round < 2; ++round) {
                const slow = await crowd(server, `slow-${round}`, SLOW);
                const start = readers[0].hearing.last;
                const stop = Promise.all(slow.map(async (one, i) => {
                    await one.when(() => one.hearing.last > start + ((i % 8) * FLOOD) / 16, 'its moment to stop', 60_000);
                    one.pause();
                }));
                const abreast = [...readers, ...slow];
                const most = await most_memory(server, () => flood(server, ROOM, { total: FLOOD, text, abreast }));
                assert.ok(most <= bound, `${most} MiB, and ${before} before; at most ${bound}`);
                await stop;

                for (const one of slow) one.resume();
                const last = await last_seq(server);
                await whole(readers, last);
                if (policy === 'disconnect') {
                    for (const one of slow) await one.when(() => one.hearing.farewell, 'its farewell');
                    assert.deepEqual(slow.map((one) => one.hearing.farewell.code), Array(SLOW).fill(4100));
                } else {
                    await whole(slow, last);
                    for (const { hearing } of slow) assert.ok(hearing.gaps > 0, 'it missed something');
                }
                for (const one of slow) one.net.destroy();
            }
            assert.ok(server.memory() <= bound, `${server.memory()} MiB afterwards, at most ${bound}`);
        }, { timeout: 120_000 });
}

scenario('who reads nothing for longer than its messages may wait is sent away with 4100',
    { ...FLAGS, 'outbox-age-ms': 1_000, }, async (server) => {
        const readers = await crowd(server, 'reader', 20);
        const slow = await crowd(server, 'slow', 6);
        for (const one of slow) one.pause();
        let over = false;
        const flooded = flood(server, ROOM, { text, until: () => over, abreast: readers });
        await eventually(() => server.counts(ROOM), ({ users }) => users === readers.length + 4, 'who is in the room', 30_000);
        over = true;
        await flooded;
        for (const one of slow) one.resume();
        for (const one of slow) {
            await one.closed;
            assert.deepEqual(one.hearing.faults, []);
            assert.equal(one.hearing.farewell?.code, 4100);
            assert.equal(one.end.code, 4100);
        }
        await whole(readers, await last_seq(server));
    }, { timeout: 120_000 });
