// SPDX-License-Identifier: MIT
// What goes out together: seen in what one read of a member's socket brings.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { scenario } from './harness.mjs';
import { comment_seq, member, Wire } from './wire.mjs';

/** A member that notes the numbers of the comments that each read brought. */
async function listener(server, room, user) {
    const reads = [];
    let now = [];
    const wire = await Wire.open(server, (bytes) => {
        const seq = comment_seq(bytes);
        if (seq !== 0) now.push(seq);
        else if (JSON.parse(bytes).event === 'joined') wire.joined = true;
    }, () => {
        if (now.length) reads.push(now);
        now = [];
    });
    wire.send({ event: 'join', room, user, history: 0 });
    await wire.when(() => wire.joined, `${user} joins`);
    return { reads, when: (...args) => wire.when(...args) };
}

const burst = (room, count) => Array.from({ length: count }, (_, i) => ({ event: 'comment', room, text: `t${i}` }));

for (const workers of [1, 2]) {
    scenario(`of a burst the first comment comes at once, the others together (${workers} workers)`,
        { workers, limits: 'off', 'batch-ms': 200 }, async (server) => {
            const alice = await member(server, 'live', 'alice');
            const ears = [];
            for (let i = 0; i < 4; ++i) ears.push(await listener(server, 'live', `listener-${i}`));
            for (const count of [2, 10]) {
                for (const { reads } of ears) reads.length = 0;
                const from = alice.hearing.last;
                alice.send(...burst('live', count));
                for (const { reads, when } of ears) {
                    await when(() => reads.flat().length === count, 'the burst');
                    const rest = Array.from({ length: count - 1 }, (_, i) => from + 2 + i);
                    assert.deepEqual(reads, [[from + 1], rest]);
                }
                await delay(300);  // the room falls silent
            }
        });
}

scenario('a burst longer than a batch goes in several, in order and whole', { limits: 'off', 'batch-ms': 1_000 },
    async (server) => {
        const alice = await member(server, 'live', 'alice');
        const { reads, when } = await listener(server, 'live', 'listener');
        const began = performance.now();
        for (let n = 0; n < 1_001; n += 40) {
            const count = Math.min(40, 1_001 - n);
            const from = alice.hearing.last;
            alice.send(...burst('live', count), { event: 'ping' });
            let pong = false;
            alice.hearing.other = ({ event }) => (pong ||= event === 'pong');
            await alice.when(() => pong, `a pong after ${from}`);
        }
        await when(() => reads.flat().length === 1_001, 'all of them');
        assert.deepEqual(reads.flat(), Array.from({ length: 1_001 }, (_, i) => i + 1));
        assert.ok(reads.length < 100, `${reads.length} reads for 1,001 comments`);
        assert.ok(performance.now() - began < 10_000, 'a full batch does not wait for its time');
    });

scenario('a quiet room waits for nothing: each first comment comes before its batch could', { limits: 'off', 'batch-ms': 1_000 },
    async (server) => {
        // One after another; had each waited for its window, that were ten seconds.
        const began = performance.now();
        for (let i = 0; i < 10; ++i) {
            const alice = await member(server, `room-${i}`, `alice-${i}`);
            const { reads, when } = await listener(server, `room-${i}`, `bob-${i}`);
            alice.send(...burst(`room-${i}`, 1));
            await when(() => reads.length, 'the comment');
            await alice.when(() => alice.hearing.last === 1, 'its own');
        }
        const took = performance.now() - began;
        assert.ok(took < 5_000, `${took} ms`);
    });

scenario('after a pause of a window a comment comes alone again', { limits: 'off', 'batch-ms': 100 }, async (server) => {
    const alice = await member(server, 'live', 'alice');
    const { reads, when } = await listener(server, 'live', 'bob');
    for (let i = 1; i <= 5; ++i) {
        alice.send(...burst('live', 1));
        await when(() => reads.length === i, 'the comment');
        await delay(150);
    }
    assert.deepEqual(reads, [[1], [2], [3], [4], [5]]);
});
