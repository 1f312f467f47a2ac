// SPDX-License-Identifier: MIT
// A room that two workers keep busy all the time, so that answers and removals
// are under way while the next message is there: faults that an idle room hides.
import assert from 'node:assert/strict';
import { INSTRUMENTED, scenario } from './harness.mjs';
import { comment_seq, flood, Hearing, member, Wire } from './wire.mjs';

const ROOM = 'hot';
const ROUNDS = INSTRUMENTED ? 25 : 100;

/** Runs `body` while the room is flooded and has `count` more members, who do not care. */
async function under_pressure(server, count, body) {
    const crowd = [];
    for (let i = 0; i < count; ++i) crowd.push(await member(server, ROOM, `crowd-${i}`));
    let over = false;
    const flooded = flood(server, ROOM, {
        text: (n) => `flood ${n}`, window: 8, until: () => over, abreast: crowd.slice(0, 2),
    });
    try {
        await Promise.race([body(crowd), flooded]);
    } finally {
        over = true;
    }
    await flooded;
    for (const { hearing } of crowd) assert.deepEqual(hearing.faults, []);
}

for (const membership of ['one_room_per_user', 'many_rooms']) {
    scenario(`${membership}: in a busy room each of comment, leave, join, leave, join in one write is answered once`,
        { limits: 'off', membership }, async (server) => {
            const host = await member(server, ROOM, 'host');
            const witness = new Map();  // what a comment says: its number
            const ears = await Wire.open(server, (bytes) => {
                if (comment_seq(bytes) === 0 || !bytes.includes('"text":"mine ')) return;
                const { text, seq } = JSON.parse(bytes);
                witness.set(text, [...(witness.get(text) ?? []), seq]);
            });
            ears.send({ event: 'join', room: ROOM, user: 'witness' });

            const said = [];
            const pipeline = async (user) => {
                const hearing = new Hearing(ROOM);
                let answers = new Map();
                const one = await Wire.open(server, (bytes) => {
                    hearing.take(bytes);
                    if (comment_seq(bytes) !== 0 || !bytes.includes('"id":')) return;
                    const event = JSON.parse(bytes);
                    answers.set(event.id, [...(answers.get(event.id) ?? []), event]);
                });
                one.send({ event: 'join', room: ROOM, user, history: 0, id: 'first' });
                await one.when(() => hearing.joined, `${user} joins`);
                for (let round = 0; round < ROUNDS; ++round) {
                    answers = new Map();
                    const id = (what) => `${user}-${round}-${what}`;
                    const text = `mine ${id('text')}`;
                    one.send(
                        { event: 'comment', room: ROOM, text, id: id('comment') },
                        { event: 'leave', room: ROOM, id: id('leave') },
                        { event: 'join', room: ROOM, history: 0, id: id('join') },
                        { event: 'leave', room: ROOM, id: id('leave again') },
                        { event: 'join', room: ROOM, history: 0, id: id('join again') },
                    );
                    const lawful = {
                        comment: ['ok', 'error'], leave: ['left'], join: ['joined', 'error'],
                        'leave again': ['left'], 'join again': ['joined', 'error'],
                    };
                    const asked = Object.keys(lawful).map(id);
                    await one.when(() => asked.every((which) => answers.has(which)), `${user}, round ${round}`)
                        .catch((error) => {
                            error.message += `: no answer to ${asked.filter((which) => !answers.has(which))}`;
                            throw error;
                        });
                    for (const [what, events] of Object.entries(lawful)) {
                        const got = answers.get(id(what));
                        assert.equal(got.length, 1, JSON.stringify(got));
                        assert.ok(events.includes(got[0].event), JSON.stringify(got));
                    }
                    const [ok] = answers.get(id('comment'));
                    said.push({ text, seq: ok.event === 'ok' ? ok.seq : null });
                }
                assert.deepEqual(hearing.faults, []);
            };
            await under_pressure(server, 60, async () => {
                await Promise.all(Array.from({ length: 4 }, (_, i) => pipeline(`hasty-${i}`)));
            });
            // What was answered is what happened.
            const last = said.reduce((most, { seq }) => Math.max(most, seq ?? 0), 0);
            await host.when(() => host.hearing.last >= last, 'the last one');
            let fence = false;
            ears.take = (bytes) => (fence ||= bytes.includes('"pong"'));
            ears.send({ event: 'ping' });
            await ears.when(() => fence, 'a pong');
            for (const { text, seq } of said) assert.deepEqual(witness.get(text) ?? [], seq === null ? [] : [seq], text);
            assert.ok(said.some(({ seq }) => seq !== null));
        }, { timeout: 120_000 });
}

async function kick_under_pressure(server) {
    let kicked;    // whose kick was answered
    let answer;
    let next = false;  // no comment was heard since that answer
    const late = [];
    const heard = { before: 0 };
    const host = await Wire.open(server, (bytes) => {
        if (comment_seq(bytes) !== 0) {
            // One whose turn had come before may be on its way to all: then it is the next one.
            const may_be_under_way = next;
            next = false;
            if (!bytes.includes('"user":"victim-')) return;
            const { user, text } = JSON.parse(bytes);
            if (user === kicked) may_be_under_way || late.push(`${user}: ${text}`);
            else ++heard.before;
            return;
        }
        const event = JSON.parse(bytes);
        if (event.event === 'joined') host.joined = true;
        if (event.of === 'kick' || event.event === 'pong') answer = event;
        if (event.of === 'kick' && event.event === 'ok') [kicked, next] = [event.id, true];
    });
    host.send({ event: 'join', room: ROOM, user: 'host' });
    await host.when(() => host.joined, 'the host joins');
    await under_pressure(server, 100, async () => {
        for (let round = 0; round < ROUNDS / 4; ++round) {
            const user = `victim-${round}`;
            const victim = await member(server, ROOM, user);
            const before = heard.before;
            victim.send(...Array.from({ length: 20 }, (_, i) => ({ event: 'comment', room: ROOM, text: `before ${i}` })));
            // The kick meets the first of them already heard, or none.
            if (round % 2) await host.when(() => heard.before > before, 'the first comment');
            answer = undefined;
            host.send({ event: 'kick', room: ROOM, user, id: user });
            await host.when(() => answer, `the answer to the kick of ${user}`);
            assert.equal(answer.event, 'ok', JSON.stringify(answer));
            victim.send(...Array.from({ length: 10 }, (_, i) => ({ event: 'comment', room: ROOM, text: `after ${i}` })));
            await victim.when(() => victim.hearing.farewell, `the farewell of ${user}`);
            assert.equal(victim.hearing.farewell.code, 4001);
            victim.net.destroy();
            answer = undefined;
            host.send({ event: 'ping' });
            await host.when(() => answer, 'a pong');
        }
    });
    assert.deepEqual(late, []);
}

scenario('in a busy room no comment of a kicked user comes after the ok of the kick, but for one under way',
    { limits: 'off', 'batch-ms': 0 }, kick_under_pressure, { timeout: 120_000 });

/** Members that read nothing in a flood which is more than the kernel keeps for them, so that they miss some. */
async function sleepers(server, body) {
    const text = (n) => `${n} ${'🎉'.repeat(490)}`;
    const readers = [];
    for (let i = 0; i < 4; ++i) readers.push(await member(server, ROOM, `reader-${i}`));
    const slow = [];
    for (let i = 0; i < 6; ++i) slow.push(await member(server, ROOM, `slow-${i}`));
    const answered = new Set();
    for (const one of slow) {
        one.pause();
        one.hearing.other = (event) => event.id && answered.add(event.id);
    }
    let last = 0;
    const publish = async (total) => (last += await flood(server, ROOM, { total, text, abreast: readers }));
    await publish(3_000);
    const asked = await body(slow, publish);
    for (const one of slow) one.resume();
    await publish(100);
    for (const one of [...readers, ...slow]) {
        await one.when(() => one.hearing.last === last || one.hearing.faults.length, 'the last comment');
        assert.deepEqual(one.hearing.faults, []);
    }
    for (const { hearing } of readers) assert.equal(hearing.missed, 0);
    for (const { hearing } of slow) assert.ok(hearing.missed > 0, 'it missed some');
    assert.deepEqual(asked.filter((id) => !answered.has(id)), [], 'what was not answered');
}

for (const policy of ['drop_oldest', 'drop_newest']) {
    const flags = {
        limits: 'off', 'slow-readers': policy, 'outbox-messages': 64, 'outbox-bytes': '256K', 'outbox-age-ms': 120_000,
    };
    const join = (one, id) => one.send({ event: 'join', room: ROOM, history: 0, id });

    scenario(`${policy}: a slow reader that joins again is told on each side of the answer what it missed there`, flags,
        (server) => sleepers(server, async (slow, publish) => {
            for (let round = 0; round < 3; ++round) {
                for (const [i, one] of slow.entries()) join(one, `${i} in round ${round}`);
                await publish(200);
            }
            return slow.flatMap((_, i) => [0, 1, 2].map((round) => `${i} in round ${round}`));
        }), { timeout: 120_000 });

    scenario(`${policy}: a slow reader that leaves and joins hears of both, and of each stay what it missed`, flags,
        (server) => sleepers(server, async (slow, publish) => {
            for (const [i, one] of slow.entries()) {
                one.send({ event: 'leave', room: ROOM, id: `${i} leaves` });
                join(one, `${i} is back`);
            }
            await publish(200);
            return slow.flatMap((_, i) => [`${i} leaves`, `${i} is back`]);
        }), { timeout: 120_000 });
}
