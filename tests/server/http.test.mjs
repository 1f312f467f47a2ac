// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import net from 'node:net';
import { Client, limited, scenario } from './harness.mjs';

const UPGRADE = {
    Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13',
};

/** The answer to bytes that no HTTP library would send. */
function raw(server, bytes) {
    const answer = new Promise((resolve, reject) => {
        let text = '';
        const socket = net.connect(server.port, server.host, () => socket.write(bytes));
        socket.on('data', (data) => (text += data));
        socket.on('end', () => resolve(text));
        socket.on('error', reject);
    });
    return limited(answer, JSON.stringify(bytes));
}

scenario('the page is served, and allows nothing foreign', {}, async (server) => {
    const page = await server.request('/');
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.body, /<html/i);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    const policy = page.headers['content-security-policy'];
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
        assert.ok(policy.includes(rule), `${rule} in ${policy}`);
    }
    assert.doesNotMatch(page.body, /<script(?![^>]*\ssrc=)[^>]*>|\son\w+=/i, 'no inline script');
    for (const [, asset] of page.body.matchAll(/(?:src|href)="([^"#]+)"/g)) {
        const { status, headers } = await server.request(new URL(asset, server.url).pathname);
        assert.equal(status, 200, asset);
        assert.equal(headers['x-content-type-options'], 'nosniff', asset);
    }
});

scenario('health and readiness answer 200', {}, async (server) => {
    assert.equal((await server.request('/healthz')).status, 200);
    assert.equal((await server.request('/readyz')).status, 200);
});

scenario('health checks may speak HTTP/1.0, without a Host', {}, async (server) => {
    for (const path of ['/healthz', '/readyz']) {
        assert.match(await raw(server, `GET ${path} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.[01] 200 /, path);
        assert.match(await raw(server, `GET ${path} HTTP/1.0\r\nHost: ${server.host}\r\n\r\n`), /^HTTP\/1\.[01] 200 /, path);
    }
    assert.match(await raw(server, 'GET /healthz HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /, 'RFC 9112, section 3.2');
});

scenario('the list of rooms is in pages, largest first', {}, async (server) => {
    assert.deepEqual((({ rooms, total }) => ({ rooms, total }))(await server.json('/api/rooms')), { rooms: [], total: 0 });
    const sizes = { tiny: 1, 'two a': 2, 'two/b': 2, ライブ: 3, huge: 5 };
    for (const [room, size] of Object.entries(sizes)) {
        for (let i = 0; i < size; ++i) await server.connect(room, `${room}${i}`);
    }
    const one = await server.json('/api/rooms');
    assert.equal(one.total, 5);
    assert.equal(one.rooms.length, 5);
    assert.ok(one.next === undefined || one.next === null, 'all of them in one page');
    assert.deepEqual(one.rooms.map((r) => r.users), [5, 3, 2, 2, 1]);
    assert.deepEqual(Object.fromEntries(one.rooms.map((r) => [r.room, r.connections])), sizes);

    const paged = [];
    let after = '';
    for (let page = 0; page < 5; ++page) {
        const { rooms, total, next } = await server.json(`/api/rooms?limit=2&after=${encodeURIComponent(after)}`);
        assert.equal(total, 5);
        assert.ok(rooms.length <= 2);
        paged.push(...rooms);
        if (next === undefined || next === null) break;
        after = next;
    }
    assert.deepEqual(paged, one.rooms, 'page by page the same');
    const form = new URLSearchParams({ limit: 1, after: '2:two a' });
    assert.match(String(form), /two\+a/);
    assert.equal((await server.json(`/api/rooms?${form}`)).rooms[0].room, 'two/b', 'a space may be written as +');
    assert.equal((await server.json('/api/rooms?limit=0')).rooms.length, 1, 'clamped to 1');
    assert.equal((await server.json('/api/rooms?limit=-1')).rooms.length, 1, 'clamped to 1');
    assert.equal((await server.json('/api/rooms?limit=99999999999999999999999')).rooms.length, 5);
});

scenario('rooms are listed by default on loopback', { 'list-rooms': null }, async (server) => {
    await server.connect('live', 'alice');
    assert.equal((await server.json('/api/rooms')).total, 1);
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 1 });
});

scenario('one room is asked for by its percent-decoded id', {}, async (server) => {
    const rooms = ['plain', 'a/b', 'a%2Fb', 'ライブ 1', 'x?y#z', '+'];
    for (const room of rooms) await server.connect(room, `user of ${room}`);
    for (const room of rooms) {
        const answer = await server.json(`/api/rooms/${encodeURIComponent(room)}`);
        assert.deepEqual(answer, { status: 200, room, users: 1, connections: 1 });
    }
    const unknown = await server.json('/api/rooms/nowhere');
    assert.equal(unknown.status, 404);
    assert.equal(typeof unknown.error.code, 'string');
    assert.equal(typeof unknown.error.message, 'string');
    for (const bad of ['%', '%2', '%zz', '%ff%fe']) {
        const { status } = await server.request(`/api/rooms/${bad}`);
        assert.ok(status === 404 || status === 400, `${bad}: ${status}`);
    }
});

scenario('HEAD is as GET without a body', {}, async (server) => {
    for (const path of ['/', '/healthz', '/api/info', '/api/rooms', '/nowhere']) {
        const [head, get] = [await server.request(path, { method: 'HEAD' }), await server.request(path)];
        assert.equal(head.status, get.status, path);
        assert.equal(head.body, '', path);
        assert.equal(head.headers['content-type'], get.headers['content-type'], path);
        assert.equal(head.headers['content-length'], get.headers['content-length'], path);
    }
});

scenario('unknown paths are 404, other methods 405 with Allow', {}, async (server) => {
    for (const path of ['/nowhere', '/metrics', '/admin/', '/api', '/api/', '/../etc/passwd', '/%2e%2e/etc/passwd', '//']) {
        const { status, error } = await server.json(path);
        assert.equal(status, 404, path);
        assert.equal(error.code, 'not_found', path);
    }
    for (const path of ['/', '/healthz', '/api/info', '/api/rooms']) {
        for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
            const { status, headers } = await server.request(path, { method });
            assert.equal(status, 405, `${method} ${path}`);
            assert.match(headers.allow, /GET/);
            assert.match(headers.allow, /HEAD/);
        }
    }
});

scenario('the WebSocket speaks version 13 only, without extensions', {}, async (server) => {
    for (const version of ['0', '7', '8', '12', '14', '13, 8', 'x']) {
        const { status, headers } = await server.request('/ws', { headers: { ...UPGRADE, 'Sec-WebSocket-Version': version } });
        assert.equal(status, 426, version);
        assert.equal(headers['sec-websocket-version'], '13', version);
    }
    const { 'Sec-WebSocket-Version': omitted, ...hixie } = UPGRADE;
    const drafts = [{}, hixie, {
        Connection: 'Upgrade', Upgrade: 'WebSocket',
        'Sec-WebSocket-Key1': "4 @1  46546xW%0l 1 5", 'Sec-WebSocket-Key2': '12998 5 Y3 1  .P00',
    }];
    for (const headers of drafts) {
        const answer = await server.request('/ws', { headers });
        assert.equal(answer.status, 426, JSON.stringify(headers));
        assert.equal(answer.headers['sec-websocket-version'], '13');
    }
    assert.equal((await server.request('/ws', { headers: UPGRADE })).status, 101);
    assert.notEqual((await server.request('/', { headers: UPGRADE })).status, 101, 'only at /ws');
    assert.equal((await server.request('/nowhere', { headers: UPGRADE })).status, 404);
    const client = await Client.open(server, { perMessageDeflate: true });
    assert.equal(client.socket.extensions, '');
});

scenario('a handshake must be a GET with a key of sixteen bytes', {}, async (server) => {
    const ask = (fields, rest = {}) => server.request('/ws', { ...rest, headers: { ...UPGRADE, ...fields } });
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
        const { status, headers } = await ask({}, { method });
        assert.equal(status, 405, method);
        assert.match(headers.allow, /GET/);
    }
    assert.equal((await ask({}, { method: 'HEAD' })).status, 426, 'as GET, which cannot upgrade by HEAD');
    assert.equal((await server.request('/healthz', { method: 'HEAD', headers: UPGRADE })).status, 200);
    assert.equal((await server.request('/healthz', { method: 'POST', headers: UPGRADE })).status, 405);
    const { 'Sec-WebSocket-Key': omitted, ...keyless } = UPGRADE;
    assert.equal((await server.request('/ws', { headers: keyless })).status, 400);
    assert.equal((await server.request('/ws', { headers: { ...keyless, Origin: 'http://evil.example' } })).status, 403);
    for (const key of ['x', 'dGhlIHNhbXBsZSBub25jZQ', 'dGhlIHNhbXBsZSBub25jZQ=', 'dGhlIHNhbXBsZSBub25jZSE=', 'dGhlIHNhbXBsZSBub25j!Q==']) {
        assert.equal((await ask({ 'Sec-WebSocket-Key': key })).status, 400, key);
    }
});

scenario('refusals carry the same security headers as everything else', {}, async (server) => {
    const names = ['x-content-type-options', 'content-security-policy', 'referrer-policy'];
    const { headers: usual } = await server.request('/healthz');
    const ask = (fields, method = 'GET') => server.request('/ws', { method, headers: { ...UPGRADE, ...fields } });
    const answers = [
        [400, await ask({ 'Sec-WebSocket-Key': 'x' })], [403, await ask({ Origin: 'null' })],
        [405, await ask({}, 'POST')], [426, await ask({ 'Sec-WebSocket-Version': '8' })],
        [413, await server.request('/', { method: 'POST', headers: { 'Content-Length': '5000' } })],
    ];
    for (const [wanted, { status, headers }] of answers) {
        assert.equal(status, wanted);
        for (const name of names) {
            assert.ok(usual[name]);
            assert.equal(headers[name], usual[name], `${name} of a ${status}`);
        }
    }
});

scenario('the subprotocol is echoed when offered', {}, async (server) => {
    assert.equal((await Client.open(server)).socket.protocol, '');
    assert.equal((await Client.open(server, { protocols: ['roomcast.v1'] })).socket.protocol, 'roomcast.v1');
    const several = await Client.open(server, { protocols: ['other.v9', 'roomcast.v1'] });
    assert.equal(several.socket.protocol, 'roomcast.v1');
    assert.equal((await several.join('live', { user: 'alice' })).server.protocol, 1);
});

scenario('a foreign Origin is refused, before anything else is looked at', {}, async (server) => {
    const at = `${server.host}:${server.port}`;
    const ask = async (headers) => (await server.request('/ws', { headers: { ...UPGRADE, ...headers } })).status;
    assert.equal(await ask({}), 101, 'absent is not foreign');
    assert.equal(await ask({ Origin: `http://${at}` }), 101);
    assert.equal(await ask({ Origin: `http://localhost:${server.port}`, Host: `localhost:${server.port}` }), 101);
    const foreign = ['null', 'http://evil.example', `https://${at}`, `http://${server.host}`, `http://${at}.evil.example`,
        `http://evil.example/${at}`, `http://${at}@evil.example`, `http://localhost:${server.port}`, `http://${server.host}:1`];
    for (const Origin of foreign) {
        assert.equal(await ask({ Origin }), 403, Origin);
        assert.equal(await ask({ Origin, 'Sec-WebSocket-Version': '8' }), 403, `${Origin}, before 426`);
    }
    const rebound = `evil.example:${server.port}`;
    assert.equal(await ask({ Origin: `http://${rebound}`, Host: rebound }), 403, 'a Host that is not ours');
});
