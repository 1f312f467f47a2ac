// SPDX-License-Identifier: MIT
// Rooms that are too loud, readers that are too slow, and what is kept of it all.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { heard, publish, scenario } from './harness.mjs';

// More than the kernel's buffers for one connection hold.
const LARGE = Array.from({ length: 6_000 }, (_, i) => `${i} ${'🎉'.repeat(490)}`);

scenario('above a room’s rate comments are left out: no number, an answer for each, and all hear how many',
    { 'room-rate': 20 }, async (server) => {
        const members = [];
        for (let i = 0; i < 4; ++i) members.push(await server.connect('live', `user${i}`));
        const [host, ...viewers] = members;
        assert.equal(host.first.server.limits.room_rate, 20);
        const answers = [];
        for (let i = 0; i < 60; ++i) {
            for (const viewer of viewers) answers.push(viewer.request('comment', { text: `t${i}` }));
        }
        const refused = (await Promise.all(answers)).filter((e) => e.event === 'error');
        for (const error of refused) {
            assert.equal(error.code, 'rate_limited');
            assert.equal(error.of, 'comment');
            assert.equal(error.room, 'live');
            assert.ok(error.retry_after_ms > 0, JSON.stringify(error));
        }
        assert.ok(refused.length > 60, `${refused.length} of 180 were left out`);
        // Gifts are left out of no room; and who is left out is not sent away.
        const ok = await viewers[0].accepted('gift', { gift: 'rose' });
        assert.equal(ok.seq, 180 - refused.length + 1);
        for (const client of members) {
            await client.reached('live', ok.seq);
            const told = () => client.all('sampled').reduce((sum, e) => sum + e.left_out, 0);
            while (told() < refused.length) {
                const { room, left_out } = await client.next('sampled');
                assert.equal(room, 'live');
                assert.ok(left_out > 0);
            }
            assert.equal(told(), refused.length, 'exactly as many as were refused');
            assert.equal(client.all('force_disconnect').length, 0);
        }
    });

scenario('a room’s rate samples fairly: the loudest are left out first', { 'room-rate': 10 }, async (server) => {
    await server.connect('live', 'host');
    const [loud, quiet] = [await server.connect('live', 'loud'), await server.connect('live', 'quiet')];
    let lost = 0;
    let said = 0;
    const end = Date.now() + 4_000;
    const noise = (async () => {
        for (let i = 0; Date.now() < end; ++i) {
            loud.send('comment', { text: `noise ${i}` });
            if (i % 10 === 9) await loud.caught_up();
        }
    })();
    while (Date.now() < end - 500) {
        ++said;
        if ((await quiet.request('comment', { text: 'now and then' })).event === 'error') ++lost;
        await delay(400);
    }
    await noise;
    assert.ok(said >= 5 && lost <= 1, `${lost} of ${said} were left out beside the noise`);
});

scenario('without a rate of comments a room has none either', { 'comment-rate': 0 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    assert.equal(alice.first.server.limits.room_rate, 0);
    await publish(bob, 'live', Array(1_000).fill('x'), 64);
    assert.deepEqual(bob.all('error'), []);
});

for (const [policy, told] of [['drop_oldest', 'oldest'], ['drop_newest', 'newest']]) {
    scenario(`slow readers ${policy}: the ${told} go, and the gap says exactly which`,
        { 'slow-readers': policy, 'outbox-messages': 64, 'outbox-age-ms': 60_000 }, async (server) => {
            const alice = await server.connect('live', 'alice');
            const sleeper = await server.connect('live', 'sleeper');
            sleeper.socket.pause();
            await publish(alice, 'live', LARGE, 32);
            sleeper.socket.resume();
            await publish(alice, 'live', ['fence']);
            await sleeper.next('comment', (e) => e.text === 'fence');
            const gaps = sleeper.all('gap');
            assert.ok(gaps.length > 0, 'it missed some and was told');
            const missed = LARGE.length + 1 - heard(sleeper, 'live').length;
            assert.equal(gaps.reduce((sum, gap) => sum + gap.dropped, 0), missed);
            const { to } = gaps.at(-1);
            if (policy === 'drop_oldest') assert.ok(to <= LARGE.length - 60, `${to}: the newest 64 are there`);
            else assert.ok(to > LARGE.length - 40, `${to}: of the newest only those that were just coming`);
        });
}

scenario('slow readers disconnect: who would miss something is sent away with 4100, and can come back for it',
    { 'slow-readers': 'disconnect', 'outbox-messages': 64, history: 10_000, 'history-bytes': '64M' },
    async (server) => {
        const alice = await server.connect('live', 'alice');
        const sleeper = await server.connect('live', 'sleeper');
        const gone = alice.later('presence', (e) => e.users === 1);
        sleeper.socket.pause();
        const busy = publish(alice, 'live', LARGE, 32);
        await gone;
        sleeper.socket.resume();
        await sleeper.farewell({ code: 4100, reconnect: 'backoff', room: 'live' });
        assert.equal((await sleeper.close_of()).code, 4100);
        await busy;
        assert.deepEqual(sleeper.all('gap'), [], 'no member misses anything');
        const { last } = sleeper.rooms.get('live') ?? { last: heard(sleeper, 'live').at(-1)[0] };
        assert.ok(last < LARGE.length);
        const since = { epoch: sleeper.first.epoch, seq: LARGE.length - 50 };
        const back = await server.connect('live', 'sleeper', { since, resume: true });
        assert.equal(back.first.recovered, true);
        assert.equal(back.first.history.length, 50);
    });

scenario('what has waited too long for a reader ends it with 4100', { 'outbox-age-ms': 500 },
    async (server) => {
        const alice = await server.connect('live', 'alice');
        const sleeper = await server.connect('live', 'sleeper');
        const gone = alice.later('presence', (e) => e.users === 1);
        sleeper.socket.pause();
        const busy = publish(alice, 'live', LARGE, 32);
        await gone;
        sleeper.socket.resume();
        await sleeper.farewell({ code: 4100, reconnect: 'backoff' });
        assert.equal((await sleeper.close_of()).code, 4100);
        await busy;
    });

scenario('gifts outlive comments in the outbox of a slow reader', { 'outbox-messages': 64, 'outbox-age-ms': 60_000 },
    async (server) => {
        const alice = await server.connect('live', 'alice');
        const sleeper = await server.connect('live', 'sleeper');
        sleeper.socket.pause();
        await publish(alice, 'live', LARGE, 32);
        for (let i = 0; i < 10; ++i) await alice.accepted('gift', { gift: 'rose', count: i + 1 });
        await publish(alice, 'live', LARGE.slice(0, 500), 32);
        sleeper.socket.resume();
        await publish(alice, 'live', ['fence']);
        await sleeper.next('comment', (e) => e.text === 'fence');
        assert.deepEqual(sleeper.all('gift').map((e) => e.count), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        const missed = LARGE.length + 500 + 10 + 1 - heard(sleeper, 'live').length - 10;
        assert.equal(sleeper.all('gap').reduce((sum, gap) => sum + gap.dropped, 0), missed);
    });

scenario('batches: the first message goes at once, what follows goes together, and nothing is lost', { 'batch-ms': 400 },
    async (server) => {
        const alice = await server.connect('live', 'alice');
        const bob = await server.connect('live', 'bob');
        const begin = performance.now();
        await alice.accepted('comment', { text: 'first' });
        await bob.next('comment');
        assert.ok(performance.now() - begin < 300, 'at once');
        for (let i = 0; i < 20; ++i) await alice.accepted('comment', { text: `t${i}` });
        const before = heard(bob, 'live').length;
        await bob.reached('live', 21);
        assert.ok(before < 21, 'some waited for each other');
        assert.deepEqual(heard(bob, 'live').map(([seq]) => seq), Array.from({ length: 21 }, (_, i) => i + 1));
    });

scenario('who joins while a batch waits sees each message once', { 'batch-ms': 300 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    for (let i = 0; i < 10; ++i) await alice.accepted('comment', { text: `t${i}` });
    const bob = await server.connect('live', 'bob');
    assert.equal(bob.first.seq, 10);
    assert.equal(bob.first.history.length, 10);
    await alice.accepted('comment', { text: 'last' });
    await bob.reached('live', 11);
    assert.deepEqual(heard(bob, 'live').map(([seq]) => seq), [11]);
});

scenario('history is bounded in bytes', { 'history-bytes': 5_000 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', Array(20).fill('x'.repeat(500)));
    const { first } = await server.connect('live', 'bob', { since: { epoch: alice.first.epoch, seq: 0 } });
    assert.equal(first.recovered, false);
    assert.ok(first.history.length > 3 && first.history.length < 10, `${first.history.length} kept`);
    assert.equal(first.history.at(-1).seq, 20);
});

scenario('history is bounded in time', { 'history-age-ms': 300 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', ['old']);
    await delay(400);
    await publish(alice, 'live', ['new']);
    const { first } = await server.connect('live', 'bob', { since: { epoch: alice.first.epoch, seq: 0 } });
    assert.deepEqual(first.history.map((e) => e.text), ['new']);
    assert.equal(first.recovered, false);
});

scenario('all histories together are bounded: the room that was silent longest gives first', { memory: '200K' },
    async (server) => {
        const old = await server.connect('old', 'alice');
        const busy = await server.connect('busy', 'bob');
        await publish(old, 'old', Array(150).fill('x'.repeat(500)));
        await publish(busy, 'busy', Array(200).fill('x'.repeat(500)));
        const asked = { history: 200 };
        const kept = (await server.connect('old', 'carol', asked)).first.history.length;
        assert.ok(kept < 150, `${kept} of 150 are left`);
        assert.equal((await server.connect('busy', 'dave', asked)).first.history.length, 200);
        await old.accepted('comment', { room: 'old', text: 'both go on' });
        await busy.accepted('comment', { room: 'busy', text: 'both go on' });
    });

scenario('presence names who came and went, in rooms that are small enough', { 'presence-names': 3 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob', { name: 'Bobby' });
    const came = await alice.next('presence', (e) => e.came?.some((one) => one.user === 'bob'));
    assert.deepEqual(came.came.find((one) => one.user === 'bob'), { user: 'bob', name: 'Bobby' });
    assert.equal(came.users, 2);
    await bob.request('leave');
    const went = await alice.next('presence', (e) => e.went !== undefined);
    assert.deepEqual(went.went, [{ user: 'bob', name: 'Bobby' }]);
    assert.equal('came' in went, false);
    for (let i = 0; i < 4; ++i) await server.connect('live', `guest${i}`);
    const many = await alice.next('presence', (e) => e.users === 5);
    assert.equal('came' in many, false, 'a large room is told its counts alone');
});

scenario('presence names nobody by default', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await server.connect('live', 'bob');
    const presence = await alice.next('presence', (e) => e.users === 2);
    assert.deepEqual(Object.keys(presence).sort(), ['connections', 'event', 'room', 'ts', 'users']);
});
