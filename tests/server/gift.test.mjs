// SPDX-License-Identifier: MIT
// What is heard in a room beside comments: gifts, likes, and what is deleted.
import assert from 'node:assert/strict';
import { heard, publish, scenario } from './harness.mjs';

const GIFTS = { gifts: 'rose,rocket' };

scenario('a gift reaches all members under the room’s next number, its sender’s copy like any', GIFTS, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob', { name: 'Bobby' });
    assert.deepEqual(alice.first.server.limits.gifts, ['rose', 'rocket']);
    await publish(alice, 'live', ['one']);
    const ok = await bob.accepted('gift', { gift: 'rocket', count: 9_999 });
    assert.equal(ok.room, 'live');
    assert.equal(ok.seq, 2);
    const theirs = await alice.next('gift');
    assert.deepEqual(await bob.next('gift'), theirs);
    const { ts, ...told } = theirs;
    assert.ok(Math.abs(ts - Date.now()) < 60_000);
    assert.deepEqual(told, {
        event: 'gift', room: 'live', seq: 2, user: 'bob', name: 'Bobby', gift: 'rocket', count: 9_999,
    });
    alice.send('gift', { gift: 'rose' });
    const { role, count } = await bob.next('gift', (e) => e.seq === 3);
    assert.deepEqual({ role, count }, { role: 'host', count: 1 });
    const carol = await server.connect('live', 'carol');
    assert.deepEqual(carol.first.history.map((e) => e.event), ['comment', 'gift', 'gift']);
    assert.deepEqual(carol.first.history[1], theirs, 'whole, as it was heard');
});

scenario('a gift with a bad field names the field', GIFTS, async (server) => {
    const alice = await server.connect('live', 'alice');
    for (const [field, fields] of [
        ['gift', {}], ['gift', { gift: 'yacht' }], ['gift', { gift: 7 }], ['gift', { gift: '' }], ['gift', { gift: 'Rose' }],
        ['count', { gift: 'rose', count: 0 }], ['count', { gift: 'rose', count: 10_000 }],
        ['count', { gift: 'rose', count: '1' }], ['count', { gift: 'rose', count: null }],
        ['room', { gift: 'rose', room: '' }],
    ]) {
        assert.equal((await alice.refused('bad_field', 'gift', fields)).field, field, JSON.stringify(fields));
    }
    assert.equal((await alice.accepted('gift', { gift: 'rose' })).seq, 1, 'refused ones take no number');
});

scenario('a repeated id of a gift is accepted and not repeated, and none of a comment’s', GIFTS, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    const answer = async (event, fields) => {
        alice.send(event, { id: 'x', ...fields });
        return alice.next('', (e) => ['ok', 'error'].includes(e.event) && e.id === 'x');
    };
    assert.equal((await answer('comment', { text: 'first' })).seq, 1);
    const gift = await answer('gift', { gift: 'rose' });
    assert.equal(gift.seq, 2);
    assert.equal('repeated' in gift, false);
    const again = await answer('gift', { gift: 'rocket', count: 7 });
    assert.deepEqual(again, { event: 'ok', of: 'gift', id: 'x', room: 'live', seq: 2, repeated: true });
    assert.equal((await answer('comment', { text: 'other' })).repeated, true);
    await publish(alice, 'live', ['fence']);
    await bob.reached('live', 3);
    assert.equal(bob.all('gift').length, 1);
});

scenario('gifts and comments of a busy room stand in one order for all', GIFTS, async (server) => {
    const members = [];
    for (let i = 0; i < 4; ++i) members.push(await server.connect('live', `user${i}`));
    const givers = members.slice(0, 2).map(async (client) => {
        for (let i = 0; i < 100; ++i) await client.accepted('gift', { gift: 'rose', count: i + 1 });
    });
    await Promise.all([...givers, publish(members[2], 'live', Array.from({ length: 100 }, (_, i) => `t${i}`))]);
    const order = (client) => client.events.filter((e) => e.event === 'comment' || e.event === 'gift')
        .map((e) => [e.seq, e.event, e.user, e.text ?? e.count]);
    for (const client of members) {
        await client.reached('live', 300);
        assert.deepEqual(order(client).map(([seq]) => seq), Array.from({ length: 300 }, (_, i) => i + 1));
        assert.deepEqual(order(client), order(members[0]));
    }
});

scenario('likes are heard as a sum, at most once a second, and have no answer', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    for (let i = 0; i < 10; ++i) alice.send('like', { id: 'unanswered', count: 10 });
    bob.send('like');
    const sum = await bob.next('like', (e) => e.total === 101);
    await alice.next('like', (e) => e.total === 101);
    assert.deepEqual(Object.keys(sum).sort(), ['delta', 'event', 'room', 'total', 'ts']);
    assert.equal(sum.room, 'live');
    alice.send('like');
    const next = await bob.next('like', (e) => e.total === 102);
    assert.equal(next.delta, 1);
    assert.ok(next.ts - sum.ts >= 950, `${next.ts - sum.ts} ms apart`);
    for (const client of [alice, bob]) {
        const told = client.all('like').map((e) => e.delta);
        assert.equal(told.reduce((all, delta) => all + delta), 102, 'each like in one of them');
    }
    await alice.caught_up();
    assert.deepEqual(alice.events.filter((e) => e.id === 'unanswered'), []);
    const carol = await server.connect('live', 'carol');
    assert.equal(carol.first.state.likes, 102);
    assert.equal(carol.first.seq, 0, 'likes take no number');
});

scenario('a like with a bad field, or outside of the room, is refused', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    for (const count of [0, 101, -1, '1', null]) {
        assert.equal((await alice.refused('bad_field', 'like', { count })).field, 'count');
    }
    await server.connect('other', 'bob');
    assert.equal((await alice.refused('not_in_room', 'like', { room: 'other' })).of, 'like');
});

scenario('likes last as long as the room, also while it lingers', { 'linger-ms': 60_000 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    alice.send('like', { count: 7 });
    await alice.next('like', (e) => e.total === 7);
    await alice.request('leave', { room: 'live' });
    assert.equal((await server.connect('live', 'bob')).first.state.likes, 7);
});

scenario('likes are gone with their room', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    alice.send('like', { count: 7 });
    await alice.next('like', (e) => e.total === 7);
    await alice.request('leave', { room: 'live' });
    assert.equal((await alice.join('live')).state.likes, 0);
    alice.send('like');
    assert.equal((await alice.next('like', (e) => e.total < 7)).total, 1);
});

scenario('gifts and likes count as commands', { 'command-rate': null, gifts: 'rose' }, async (server) => {
    const alice = await server.connect('live', 'alice');
    for (let i = 0; i < 30; ++i) alice.send('gift', { gift: 'rose' });
    const refused = await alice.next('error', (e) => e.of === 'gift');
    assert.equal(refused.code, 'rate_limited');
    assert.ok(refused.retry_after_ms > 0, JSON.stringify(refused));
    for (let i = 0; i < 3; ++i) alice.send('like');
    assert.equal((await alice.next('error', (e) => e.of === 'like')).code, 'rate_limited');
    const { seq } = await alice.accepted('comment', { text: 'comments have a rate of their own' });
    const taken = seq - 1;
    assert.ok(taken >= 15 && taken <= 25, `a burst of about twenty, not ${taken}`);
});

scenario('what the host deletes is deleted for all, and stands in history as deleted', GIFTS, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    await publish(bob, 'live', ['one', 'rude', 'three']);
    await bob.accepted('gift', { gift: 'rose' });
    const ok = await alice.accepted('delete', { seq: 2 });
    assert.equal(ok.room, 'live');
    for (const client of [alice, bob]) {
        assert.deepEqual(await client.next('deleted'), { event: 'deleted', room: 'live', seq: 2 });
    }
    await alice.accepted('delete', { room: 'live', seq: 4 });
    await bob.next('deleted', (e) => e.seq === 4);
    await alice.accepted('delete', { seq: 2 });
    const carol = await server.connect('live', 'carol');
    assert.deepEqual(carol.first.history.map((e) => [e.seq, e.event]), [
        [1, 'comment'], [2, 'deleted'], [3, 'comment'], [4, 'deleted'],
    ]);
    assert.deepEqual(carol.first.history[1], { event: 'deleted', room: 'live', seq: 2 });
    const since = { epoch: bob.first.epoch, seq: 1 };
    const dave = await server.connect('live', 'dave', { since });
    assert.equal(dave.first.recovered, true, 'numbers stay contiguous');
    assert.deepEqual(dave.first.history.map((e) => e.seq), [2, 3, 4]);
    await publish(bob, 'live', ['five']);
    assert.equal(heard(bob, 'live').at(-1)[0], 5);
});

scenario('deleting checks field, sender’s room, role, and whether the room has got so far', GIFTS, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    await server.connect('other', 'carol');
    await publish(bob, 'live', ['mine']);
    for (const seq of [undefined, 0, -1, '1', null, 1.5]) {
        assert.equal((await bob.refused('bad_field', 'delete', { seq, room: 'other' })).field, 'seq', String(seq));
    }
    assert.equal((await bob.refused('not_in_room', 'delete', { seq: 1, room: 'other' })).room, 'other');
    await bob.refused('forbidden', 'delete', { seq: 1 });
    await bob.refused('forbidden', 'delete', { seq: 100 });
    assert.equal((await alice.refused('bad_field', 'delete', { seq: 2 })).field, 'seq');
    assert.deepEqual(bob.all('deleted'), []);
    await alice.accepted('delete', { seq: 1 });
    await bob.next('deleted');
});

scenario('in a busy room a deletion comes after what it deletes', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const members = [alice];
    for (let i = 0; i < 3; ++i) members.push(await server.connect('live', `user${i}`));
    const busy = Promise.all(members.slice(1).map((client) => publish(client, 'live', Array(100).fill('x'))));
    for (let seq = 1; seq <= 300; seq += 10) {
        await alice.reached('live', seq);
        await alice.accepted('delete', { seq });
    }
    await busy;
    const late = await server.connect('live', 'late', { history: 200 });
    assert.deepEqual(late.first.history.filter((e) => e.event === 'deleted').map((e) => e.seq % 10),
        Array(20).fill(1));
    for (const client of members) {
        await client.next('deleted', (e) => e.seq === 291);
        assert.equal(client.all('deleted').length, 30);
    }
});
