// SPDX-License-Identifier: MIT
// Whatever a client sends gets the protocol's answer or close code.
import assert from 'node:assert/strict';
import { publish, scenario } from './harness.mjs';

const MAX_BYTES = 16_384;
const BAD_MESSAGES = 20;

/** Sends each row on a connection that has used up none of its bad messages, and takes the answers in order. */
async function refuse_all(server, rows, open) {
    for (let from = 0; from < rows.length; from += BAD_MESSAGES - 1) {
        const client = await open();
        for (const [frame, code, field] of rows.slice(from, from + BAD_MESSAGES - 1)) {
            client.text(frame);
            const answer = await client.next('', (e) => e.event === 'error' || e.event === 'ok' || e.event === 'pong');
            assert.equal(answer.code, code, `${frame.slice(0, 120)} -> ${JSON.stringify(answer)}`);
            assert.equal(typeof answer.message, 'string');
            if (field !== undefined) assert.equal(answer.field, field, `${frame.slice(0, 120)} -> ${JSON.stringify(answer)}`);
        }
        await client.caught_up();
        client.socket.terminate();
    }
}

const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);
const padded = (bytes) => {
    const [head, tail] = ['{"event":"ping","id":"big","pad":"', '"}'];
    return head + 'x'.repeat(bytes - head.length - tail.length) + tail;
};

scenario('what is not one JSON object is bad_json', {}, async (server) => {
    const rows = [
        '', ' ', 'hello', '[]', '[{"event":"ping"}]', '"ping"', '1', 'null', 'true', '{', '}', '{"event":"ping"',
        '{"event":"ping"}}', '{"event":"ping"}{"event":"ping"}', '{"event":"ping",}', "{'event':'ping'}",
        '{event:"ping"}', '{"event":"ping"} x', '{"event":ping}', '{"event":"ping","n":NaN}',
        '{"event":"ping","n":01}', '{"event":"ping","n":+1}', '{"event":"ping","n":.5}', '{"event":"ping","n":1.}',
        '{"event":"ping"/**/}', '// x\n{"event":"ping"}', '{"event":"pi\nng"}', '{"event":"pi\\xng"}',
        '{"event":"ping","s":"\\u12"}', '{"event":"ping"}\u0000', '\ufeff{"event":"ping"}',
        '{"event":"ping","n":--1.55}', '{"event":"ping","n":1-1.55}', '{"event":"ping","n":1-1234567890123456789012}',
    ];
    await refuse_all(server, rows.map((frame) => [frame, 'bad_json']), () => server.connect());
});

scenario('a key twice in one object is bad_json, compared unescaped, nested too', {}, async (server) => {
    const rows = [
        '{"event":"ping","event":"ping"}',
        '{"event":"ping","\\u0065vent":"comment"}',
        '{"event":"ping","x":1,"\\u0078":2}',
        '{"event":"ping","x":{"a":1,"a":1}}',
        '{"event":"ping","x":[{"a":1,"b":2,"\\u0061":3}]}',
        '{"event":"ping","":1,"":2}',
    ];
    await refuse_all(server, rows.map((frame) => [frame, 'bad_json']), () => server.connect());
    const client = await server.connect();
    client.text('{"event":"ping","x":{"a":1},"y":{"a":1},"a":[{"a":1},{"a":1}]}');
    await client.next('pong');
});

scenario('a message is nested 8 deep at most', {}, async (server) => {
    const client = await server.connect();
    client.text(`{"event":"ping","x":${nested(7)}}`);
    await client.next('pong');
    for (const depth of [8, 9, 100, 4_000]) {
        client.text(`{"event":"ping","x":${nested(depth)}}`);
        assert.equal((await client.next('error')).code, 'bad_json', `${depth} inside the outer object`);
    }
    client.text(`{"event":"ping","x":${'{"a":'.repeat(8)}1${'}'.repeat(8)}}`);
    assert.equal((await client.next('error')).code, 'bad_json');
    client.text('['.repeat(MAX_BYTES));
    assert.equal((await client.next('error')).code, 'bad_json');
    await client.caught_up();
});

scenario('a missing or unknown event is bad_event', {}, async (server) => {
    const rows = [
        '{}', '{"event":""}', '{"event":"nosuch"}', '{"event":"Ping"}', '{"event":"ping "}', '{"event":"joined"}',
        '{"Event":"ping"}', '{"event":null}', '{"event":1}', '{"event":["ping"]}', '{"event":{"event":"ping"}}',
        '{"event":"constructor"}', '{"event":"ping\\u0000"}',
    ];
    await refuse_all(server, rows.map((frame) => [frame, 'bad_event']), () => server.connect());
    const client = await server.connect();
    client.text('{"event":"nosuch","id":"x"}');
    assert.equal((await client.next('error')).id, 'x', 'an id that is valid is repeated');
});

scenario('unknown fields are ignored, whatever they hold', {}, async (server) => {
    const client = await server.connect();
    client.text('{"event":"ping","id":"x","n":1.5e300,"o":{"p":[null,true,-0.0]},"q":"\\ud83d\\ude00"}');
    assert.equal((await client.next('pong')).id, 'x');
});

scenario('a join with a bad field names the field, and joins nothing', {}, async (server) => {
    const joins = {
        room: ['""', 'null', '7', '["a"]', '" a"', '"a "', '"a\\u3000"', '"a\\u0000b"', '"a\\u001fb"', '"a\\u007fb"',
            '"a\\u0085b"', '"a\\u200bb"', '"a\\u200fb"', '"a\\u2028b"', '"a\\u202eb"', '"a\\u2060b"', '"a\\u2069b"',
            '"a\\ufeffb"', '"\\ud800"', '"\\udc00a"', `"${'x'.repeat(129)}"`, `"${'字'.repeat(43)}"`, '"a\\nb"', '"a\\u200db"'],
        user: ['""', 'null', '7', 'true', '{}', '" a"', '"a\\t"', '"a\\u202eb"', '"a\\u2066b"', '"\\ud83d"',
            `"${'x'.repeat(129)}"`, `"${'🎉'.repeat(33)}"`],
        name: ['""', 'null', '7', '" a"', '"a\\u202eb"', '"a\\u200bb"', '"a\\u0007"', `"${'x'.repeat(65)}"`,
            `"${'字'.repeat(22)}"`],
        history: ['-1', '201', '1.0', '1.5', '1e2', '"5"', 'null', 'true', '[]', '9007199254740993',
            '99999999999999999999999'],
        since: ['7', 'null', '"x"', '[]'],
        resume: ['1', '"true"', 'null', '0'],
        device: ['7', 'null', `"${'x'.repeat(65)}"`],
        replaces: ['7', 'null'],
    };
    const good = { room: '"live"', user: '"alice"' };
    const rows = [];
    for (const [field, values] of Object.entries(joins)) {
        for (const value of values) {
            const fields = Object.entries({ ...good, [field]: value }).map(([k, v]) => `"${k}":${v}`);
            rows.push([`{"event":"join",${fields.join(',')}}`, 'bad_field', field]);
        }
    }
    rows.push(['{"event":"join","user":"alice"}', 'bad_field', 'room'], ['{"event":"join","room":"live"}', 'bad_field', 'user']);
    await refuse_all(server, rows, () => server.connect());
    assert.equal((await server.json('/api/rooms')).total, 0);
});

scenario('a position asked for has an epoch and a number', {}, async (server) => {
    const inner = ['{}', '{"epoch":"e"}', '{"seq":1}', '{"epoch":7,"seq":1}', '{"epoch":"e","seq":"1"}',
        '{"epoch":"e","seq":1.0}', '{"epoch":"e","seq":null}', '{"epoch":"e","seq":9007199254740993}',
        `{"epoch":"${'e'.repeat(65)}","seq":1}`, '{"epoch":"\\ud800","seq":1}'];
    const client = await server.connect();
    for (const since of inner) {
        client.text(`{"event":"join","room":"live","user":"alice","since":${since}}`);
        const error = await client.next('error');
        assert.equal(error.code, 'bad_field', since);
        assert.match(error.field, /^since/, since);
    }
});

scenario('ids and names are measured in bytes, and others than ASCII are welcome', {}, async (server) => {
    for (const id of ['x'.repeat(128), '字'.repeat(42), '🎉'.repeat(32), 'a b', 'ø/%2F?#', 'e\u0301']) {
        const client = await server.connect(id, id);
        assert.equal(client.first.room, id);
        assert.equal(client.first.name, id, 'a defaulted name may be as long as the id');
        await client.accepted('comment', { text: 'hi' });
        assert.equal((await client.next('comment')).user, id);
        client.socket.terminate();
    }
    const named = await server.connect('live', 'alice', { name: 'n'.repeat(64) });
    assert.equal(named.first.name.length, 64);
});

scenario('a comment with a bad field names the field', {}, async (server) => {
    const comments = {
        text: ['null', '7', '{}', '""', '"\\ud800"', '"a\\udfffb"'],
        color: ['7', 'null', '""', '"red"', '"#fff"', '"#gggggg"', '"#ff88000"', '"ff8800"'],
        mode: ['7', 'null', '""', '"sideways"', '"Scroll"'],
        room: ['""', '7', 'null', '"a\\u202eb"'],
        id: ['7', 'null', '""', `"${'i'.repeat(65)}"`, '"\\ud800"'],
    };
    const rows = [['{"event":"comment"}', 'bad_field', 'text']];
    for (const [field, values] of Object.entries(comments)) {
        for (const value of values) {
            const fields = Object.entries({ text: '"hi"', [field]: value }).map(([k, v]) => `"${k}":${v}`);
            rows.push([`{"event":"comment",${fields.join(',')}}`, 'bad_field', field]);
        }
    }
    const host = await server.connect('live', 'host');
    await refuse_all(server, rows, () => server.connect('live', 'alice'));
    await publish(host, 'live', ['fence']);
    assert.deepEqual(host.all('comment').map((e) => e.text), ['fence'], 'none of them was told');
});

scenario('an error repeats what it is about, and an id only where it was valid', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    alice.text('{"event":"comment","id":"mine","room":"live","text":7}');
    const error = await alice.next('error');
    assert.deepEqual([error.of, error.id, error.room, error.field], ['comment', 'mine', 'live', 'text']);
    alice.text('{"event":"comment","id":7,"text":"hi"}');
    assert.equal('id' in (await alice.next('error')), false);
    const id = 'i'.repeat(64);
    alice.send('ping', { id });
    assert.equal((await alice.next('pong')).id, id);
});

scenario('a frame may have 16,384 bytes', {}, async (server) => {
    const client = await server.connect();
    client.text(padded(MAX_BYTES));
    assert.equal((await client.next('pong')).id, 'big');
    client.text(padded(MAX_BYTES + 1));
    assert.equal((await client.close_of()).code, 1009);
});

scenario('fragments are summed', {}, async (server) => {
    const client = await server.connect();
    const send = (text, fin) => client.socket.send(text, { fin });
    const whole = padded(MAX_BYTES);
    for (let at = 0; at < MAX_BYTES; at += 1024) send(whole.slice(at, at + 1024), at + 1024 >= MAX_BYTES);
    await client.next('pong');
    send('x'.repeat(9_000), false);
    send('x'.repeat(9_000), true);
    assert.equal((await client.close_of()).code, 1009);
});

scenario('a frame that only announces too much is refused before it is sent', {}, async (server) => {
    const client = await server.connect();
    client.raw(Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]));
    assert.equal((await client.close_of()).code, 1009);
});

scenario('a binary frame is closed with 1003, invalid UTF-8 with 1007', {}, async (server) => {
    const binary = await server.connect('live', 'alice');
    binary.socket.send(Buffer.from('{"event":"ping"}'), { binary: true });
    assert.equal((await binary.close_of()).code, 1003);
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe5, 0xad]]) {
        const client = await server.connect('live', 'alice');
        const text = Buffer.concat([Buffer.from('{"event":"ping","x":"'), Buffer.from(bytes), Buffer.from('"}')]);
        client.socket.send(text, { binary: false });
        assert.equal((await client.close_of()).code, 1007, bytes.join());
    }
});

scenario('bad framing is closed with 1002', {}, async (server) => {
    const frames = {
        'an unmasked frame': [0x81, 0x02, 0x7b, 0x7d],
        'a reserved bit': [0xc1, 0x80, 1, 2, 3, 4],
        'a reserved opcode': [0x83, 0x80, 1, 2, 3, 4],
        'a continuation of nothing': [0x80, 0x80, 1, 2, 3, 4],
        'a fragmented ping': [0x09, 0x80, 1, 2, 3, 4],
        'a ping of 126 bytes': [0x89, 0xfe, 0, 126, ...Array(130).fill(0)],
        'a 16-bit length of 5': [0x81, 0xfe, 0, 5, ...Array(9).fill(0)],
        'a 64-bit length of 5': [0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, ...Array(9).fill(0)],
    };
    for (const [what, bytes] of Object.entries(frames)) {
        const client = await server.connect('live', 'alice');
        client.raw(Buffer.from(bytes));
        assert.equal((await client.close_of()).code, 1002, what);
    }
});

scenario('who breaks the protocol is out of the room before it hears so, also when it never answers', {}, async (server) => {
    await server.connect('live', 'alice');
    const frames = {
        1002: [0x81, 0x02, 0x7b, 0x7d],
        1003: [0x82, 0x80, 0, 0, 0, 0],
        1007: [0x81, 0x81, 0, 0, 0, 0, 0xff],
        1009: [0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4],
    };
    for (const [code, bytes] of Object.entries(frames)) {
        const client = await server.connect('live', `breaks ${code}`);
        const told = client.ignore_close();
        client.raw(Buffer.from(bytes));
        assert.equal(await told, Number(code));
        assert.deepEqual(await server.counts('live'), { users: 1, connections: 1 }, code);
    }
});

scenario('twenty bad messages within ten seconds are closed with 1008, nineteen are not', {}, async (server) => {
    const other = await server.connect('live', 'other');
    for (const frame of ['{', '{"event":"nosuch"}', '{"event":"comment","text":7}']) {
        const client = await server.connect('live', 'alice');
        for (let i = 1; i < BAD_MESSAGES; ++i) {
            client.text(frame);
            await client.next('error');
        }
        await client.caught_up();
        client.text(frame);
        assert.equal((await client.close_of()).code, 1008, frame);
    }
    await publish(other, 'live', ['unharmed']);
});
