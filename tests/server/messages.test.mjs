// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { heard, publish, scenario } from './harness.mjs';

scenario('a comment reaches all members with the next number', {}, async (server) => {
    const alice = await server.connect('live', 'alice', { name: 'Alice Ä' });
    const bob = await server.connect('live', 'bob');
    const ok = await alice.accepted('comment', { room: 'live', text: 'hello', color: '#ff8800', mode: 'top' });
    assert.equal(ok.room, 'live');
    assert.equal(ok.seq, 1);
    assert.equal('repeated' in ok, false);
    const mine = await alice.next('comment');
    const theirs = await bob.next('comment');
    assert.equal(mine.id, ok.id, 'the sender sees its id');
    assert.equal('id' in theirs, false, 'others do not');
    const { id, ...rest } = mine;
    assert.deepEqual(rest, theirs);
    assert.ok(Math.abs(theirs.ts - Date.now()) < 60_000);
    const { ts, ...told } = theirs;
    assert.deepEqual(told, {
        event: 'comment', room: 'live', seq: 1, user: 'alice', name: 'Alice Ä', role: 'host',
        text: 'hello', color: '#ff8800', mode: 'top',
    });
});

scenario('a viewer’s comment has neither role nor what was not said', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    bob.send('comment', { text: 'plain' });
    const { ts, ...told } = await alice.next('comment');
    assert.deepEqual(told, {
        event: 'comment', room: 'live', seq: 1, user: 'bob', name: 'bob', text: 'plain', mode: 'scroll',
    });
    assert.equal('id' in (await bob.next('comment')), false);
    await bob.caught_up();
    assert.deepEqual(bob.all('ok'), [], 'without an id there is no ok');
    for (const mode of ['scroll', 'top', 'bottom']) {
        bob.send('comment', { text: mode, mode });
        assert.equal((await alice.next('comment')).mode, mode);
    }
});

scenario('all members see one order, whoever publishes on whichever worker', {}, async (server) => {
    const members = [];
    for (let i = 0; i < 8; ++i) members.push(await server.connect('live', `user${i}`));
    const texts = Array.from({ length: 150 }, (_, i) => `t${i}`);
    await Promise.all(members.slice(0, 5).map((client) => publish(client, 'live', texts)));
    for (const client of members) {
        await client.reached('live', 750);
    }
    const order = heard(members[0], 'live');
    assert.deepEqual(order.map(([seq]) => seq), Array.from({ length: 750 }, (_, i) => i + 1));
    for (const client of members) assert.deepEqual(heard(client, 'live'), order);
    for (let i = 0; i < 5; ++i) {
        const own = order.filter(([, user]) => user === `user${i}`).map(([, , text]) => text);
        assert.deepEqual(own, texts, 'and each sender’s in the order of sending');
    }
});

scenario('rooms have their own numbers and hear nothing of each other', {}, async (server) => {
    const clients = [];
    for (let i = 0; i < 6; ++i) clients.push(await server.connect(`room${i % 3}`, `user${i}`));
    await Promise.all(clients.map((c, i) => publish(c, `room${i % 3}`, Array.from({ length: 40 }, (_, n) => `${i}-${n}`))));
    for (const [i, client] of clients.entries()) {
        await client.reached(`room${i % 3}`, 80);
        const rooms = new Set(client.all('comment').map((e) => e.room));
        assert.deepEqual([...rooms], [`room${i % 3}`]);
        assert.deepEqual(heard(client, `room${i % 3}`).map(([seq]) => seq), Array.from({ length: 80 }, (_, n) => n + 1));
    }
});

scenario('text is normalised before it is measured and told', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const rows = [
        ['a\r\nb\nc\rd\te', 'a b c d e', 'a line break, CRLF as one, or a tab is a space'],
        ['a\n\nb', 'a  b', 'each of them'],
        ['  padded \n', 'padded', 'trimmed'],
        ['\u200b hidden \u200b', 'hidden', 'trimmed after removal'],
        ['a\u0000b\u0007c\u001fd\u007fe\u0085f\u009fg', null, 'control characters are removed'],
        ['zero\u200bwidth\u200e\u200fmarks', 'zerowidthmarks'],
        ['bidi\u202a\u202c\u202d\u202eover', 'bidiover'],
        ['iso\u2066\u2067\u2068\u2069lates', 'isolates'],
        ['word\u2060\u2064joiner\ufeff', 'wordjoiner'],
        ['👩\u200d👩\u200d👧', '👩\u200d👩\u200d👧', 'U+200D stays'],
        ['<b>&amp;</b> "quoted" \\ /', '<b>&amp;</b> "quoted" \\ /', 'nothing is escaped or stripped for HTML'],
        ['日本語 العربية ไทย e\u0301', '日本語 العربية ไทย e\u0301', 'no other change'],
    ];
    for (const [text, expected, why] of rows) {
        await alice.accepted('comment', { text });
        const told = (await alice.next('comment')).text;
        if (expected !== null) assert.equal(told, expected, why);
        assert.doesNotMatch(told, /[\u0000-\u001f\u007f-\u009f]/, why);
    }
    for (const text of ['', '   ', '\n\t\r\n', '\u200b\u200e', ' \ufeff \u202e ']) {
        assert.equal((await alice.refused('bad_field', 'comment', { text })).field, 'text', JSON.stringify(text));
    }
});

scenario('a text has 1 to 500 code points, counted as broadcast', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const rows = ['x'.repeat(500), '字'.repeat(500), '🎉'.repeat(500), 'y'.repeat(500) + ' \n ', 'z\u200b'.repeat(500)];
    for (const text of rows) await alice.accepted('comment', { text });
    for (let seq = 1; seq <= rows.length; ++seq) {
        const { text } = await alice.next('comment', (e) => e.seq === seq);
        assert.equal([...text].length, 500);
    }
    for (const text of ['x'.repeat(501), '🎉'.repeat(501), 'a' + '\n'.repeat(499) + 'b']) {
        assert.equal((await alice.refused('too_large', 'comment', { text })).of, 'comment');
    }
    assert.equal((await alice.accepted('comment', { text: 'next' })).seq, 6, 'a refused comment takes no number');
});

scenario('a repeated id is accepted and not repeated', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    const send = async (client, fields) => {
        client.send('comment', fields);
        return client.next('', (e) => ['ok', 'error'].includes(e.event) && e.id === fields.id);
    };
    const first = await send(alice, { id: 'x', text: 'once' });
    assert.equal(first.event, 'ok');
    const again = await send(alice, { id: 'x', text: 'another text does not matter' });
    assert.equal(again.event, 'ok');
    assert.equal(again.seq, first.seq);
    assert.equal(again.repeated, true);
    const phone = await server.connect('live', 'alice');
    assert.equal((await send(phone, { id: 'x', text: 'once' })).repeated, true, 'the same user on another device');
    assert.equal('repeated' in (await send(bob, { id: 'x', text: 'mine' })), false, 'another user’s id is another');
    assert.equal((await send(alice, { id: 'y', text: 'z'.repeat(501) })).code, 'too_large');
    assert.equal('repeated' in (await send(alice, { id: 'y', text: 'short' })), false, 'refused ones are not remembered');
    await bob.next('comment', (e) => e.text === 'short');
    assert.deepEqual(heard(bob, 'live').map(([, , text]) => text), ['once', 'mine', 'short']);
});

scenario('a repeat is looked up after membership', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await server.connect('live', 'bob');
    alice.send('comment', { id: 'x', text: 'once' });
    await alice.next('ok');
    await alice.request('leave', { room: 'live' });
    alice.send('comment', { id: 'x', room: 'live', text: 'once' });
    assert.equal((await alice.next('error', (e) => e.id === 'x')).code, 'not_in_room');
});

scenario('ping is answered with the time and the id', {}, async (server) => {
    const client = await server.connect();
    const pong = await client.request('ping');
    assert.equal(pong.of, 'ping');
    assert.ok(Math.abs(pong.ts - Date.now()) < 60_000);
    client.send('ping');
    assert.equal('id' in (await client.next('pong')), false);
});

scenario('a connection’s messages are processed in order', {}, async (server) => {
    const client = await server.connect();
    client.send('join', { id: '1', room: 'live', user: 'alice' });
    for (let i = 2; i < 40; ++i) client.send('comment', { id: String(i), text: `t${i}` });
    client.send('leave', { id: '40' });
    client.send('comment', { id: '41', text: 'late' });
    client.send('ping', { id: '42' });
    await client.next('pong');
    const processed = client.events.filter((e) => e.of !== undefined);
    assert.deepEqual(processed.map((e) => e.id), Array.from({ length: 42 }, (_, i) => String(i + 1)));
    assert.deepEqual(processed.map((e) => e.event), ['joined', ...Array(38).fill('ok'), 'left', 'error', 'pong']);
});
