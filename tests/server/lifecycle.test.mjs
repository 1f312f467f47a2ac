// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { Server, eventually, publish, scenario } from './harness.mjs';

for (const signal of ['SIGTERM', 'SIGINT']) {
    scenario(`${signal} tells all that the server restarts, and ends with exit code 0`, { 'grace-ms': 30_000 }, async (server) => {
        const clients = [];
        for (let i = 0; i < 20; ++i) clients.push(await server.connect(`room${i % 4}`, `user${i}`));
        clients.push(await server.connect());
        // These close when told, as the protocol asks.
        const told = clients.map(async (client) => {
            const event = await client.farewell({ code: 4200, reconnect: 'now' });
            if ('retry_after_ms' in event) assert.ok(event.retry_after_ms > 0);
            client.socket.close(1000);
            await client.close_of();
        });
        const begun = performance.now();
        assert.deepEqual(await server.stop(signal), { code: 0, signal: null });
        await Promise.all(told);
        assert.ok(performance.now() - begun < 10_000, 'without a grace period that nobody needs');
    });
}

scenario('a draining server closes those who ignore it with 4200, and says that it is not ready',
    { 'grace-ms': 3_000 }, async (server) => {
        const stubborn = [await server.connect('live', 'alice'), await server.connect('live', 'bob')];
        assert.equal((await server.request('/readyz')).status, 200);
        const exit = server.stop();
        for (const client of stubborn) await client.farewell({ code: 4200 });
        assert.equal((await server.request('/readyz')).status, 503);
        assert.equal((await server.request('/healthz')).status, 200, 'alive all the same');
        for (const client of stubborn) assert.equal((await client.close_of()).code, 4200);
        assert.deepEqual(await exit, { code: 0, signal: null });
    });

scenario('a drain of a busy room ends, and nobody hears anything after the farewell', { 'grace-ms': 500 }, async (server) => {
    const clients = [];
    for (let i = 0; i < 6; ++i) clients.push(await server.connect('live', `user${i}`));
    const texts = Array.from({ length: 5_000 }, (_, i) => `t${i}`);
    const busy = clients.map((client) => publish(client, 'live', texts).catch((error) => error));
    await clients[0].next('comment', (e) => e.seq >= 200);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    for (const client of clients) {
        assert.equal((await client.close_of()).code, 4200);
        assert.equal(client.all('force_disconnect').length, 1);
    }
    for (const end of await Promise.all(busy)) assert.ok(end instanceof Error, 'cut short');
});

scenario('a second server on the same port says so and fails', {}, async (server) => {
    await assert.rejects(Server.start({ port: server.port }), /ended at once: \{"code":[1-9]/);
    await server.connect('live', 'alice');
});

scenario('an unknown flag or value is refused with words', {}, async () => {
    for (const flags of [{ 'no-such-flag': 1 }, { membership: 'both' }, { others: 'stay' }, { port: 70_000 }, { workers: 'many' }]) {
        await assert.rejects(Server.start(flags), /ended at once: \{"code":[1-9][^]*\n.+/, JSON.stringify(flags));
    }
});

scenario('thousands of short visits leave nothing behind', {}, async (server) => {
    const visit = async (i) => {
        const client = await server.connect(`room${i % 7}`, `user${i % 50}`);
        if (i % 3 === 0) await client.join(`room${(i + 1) % 7}`);
        if (i % 4 === 0) await client.request('leave', {});
        if (i % 2) client.socket.close();
        else client.socket.terminate();
        await client.closed;
    };
    for (let i = 0; i < 300; i += 20) await Promise.all(Array.from({ length: 20 }, (_, n) => visit(i + n)));
    await eventually(() => server.json('/api/rooms'), ({ total }) => total === 0, 'the rooms');
    const warm = server.memory();
    for (let i = 0; i < 2_000; i += 20) await Promise.all(Array.from({ length: 20 }, (_, n) => visit(i + n)));
    await eventually(() => server.json('/api/rooms'), ({ total }) => total === 0, 'the rooms');
    assert.ok(server.memory() - warm < 16, `memory grew from ${warm} to ${server.memory()} MiB`);
});
