// SPDX-License-Identifier: MIT
// These take a minute, nearly all of it waiting: only in long runs.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, scenario } from './harness.mjs';

const OPTIONS = { timeout: 90_000, skip: !(Number(process.env.ROOMCAST_TEST_SCALE) >= 10) };

describe('in time', { concurrency: true }, () => {
    scenario('a silent client is pinged after 25 s, and stays as long as it answers', {}, async (server) => {
        const client = await server.connect('live', 'alice');
        const begun = performance.now();
        const pings = [];
        client.socket.on('ping', () => pings.push(performance.now() - begun));
        await delay(65_000);
        assert.equal(client.end, undefined);
        assert.ok(pings.length >= 2, `${pings.length} pings`);
        assert.ok(pings[0] > 23_000 && pings[0] < 30_000, `the first after ${pings[0]} ms`);
        await client.accepted('comment', { text: 'still here' });
    }, OPTIONS);

    scenario('a client that talks is not pinged', {}, async (server) => {
        const client = await server.connect('live', 'alice');
        let pings = 0;
        client.socket.on('ping', () => ++pings);
        for (let i = 0; i < 4; ++i) {
            await delay(15_000);
            await client.request('ping');
        }
        assert.equal(pings, 0);
    }, OPTIONS);

    scenario('a peer that answers nothing is gone after 50 s', {}, async (server) => {
        const other = await server.connect('live', 'other');
        const client = await Client.open(server, { autoPong: false });
        await client.join('live', { user: 'alice' });
        const gone = other.later('presence', (e) => e.users === 1, 90_000);
        const begun = performance.now();
        await client.close_of(70_000);
        const took = performance.now() - begun;
        assert.ok(took > 47_000 && took < 60_000, `after ${took} ms`);
        await gone;
    }, OPTIONS);

    scenario('a connection in no room for 60 s is closed with 1000', {}, async (server) => {
        const never = await server.connect();
        const left = await server.connect('live', 'alice');
        await left.request('leave');
        const begun = performance.now();
        for (const client of [never, left]) {
            assert.equal((await client.close_of(80_000)).code, 1000);
            const took = performance.now() - begun;
            assert.ok(took > 57_000 && took < 75_000, `after ${took} ms`);
        }
    }, OPTIONS);
});
