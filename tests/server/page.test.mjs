// SPDX-License-Identifier: MIT
// The page at `/`, with several tabs.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { browser, enter, flies, listed, page_scenario, say, viewers } from './browser.mjs';
import { Server, eventually, publish } from './harness.mjs';

const INJECTION = '<img src=x onerror="window.injected=1"><script>window.injected=1</script>&amp;';

page_scenario('two tabs in one room see each other’s comments in the list and on the stage, and count two viewers', {},
    async (server) => {
        const alice = await enter(server, 'live', 'alice');
        const bob = await enter(server, 'live', 'bob');
        await Promise.all([viewers(alice, 2), viewers(bob, 2)]);
        for (const [sender, text, user] of [[alice, 'hello from alice', 'alice'], [bob, 'hello from bob', 'bob']]) {
            const shown = [alice, bob].flatMap((page) => [flies(page, text), listed(page, text)]);
            await say(sender, text);
            await Promise.all(shown);
            for (const page of [alice, bob]) {
                const line = page.locator('#list li', { hasText: text });
                assert.equal(await line.count(), 1, 'once');
                assert.equal(await line.getAttribute('data-user'), user);
            }
        }
        for (const page of [alice, bob]) {
            const seqs = await page.locator('#list li[data-seq]').evaluateAll((l) => l.map((li) => Number(li.dataset.seq)));
            assert.deepEqual(seqs, [1, 2]);
        }
        await bob.close();
        await viewers(alice, 1);
    });

page_scenario('who is kicked sees why, and does not come back', { 'grace-ms': 1_000 }, async (server) => {
    const host = await enter(server, 'live', 'host');
    const bob = await enter(server, 'live', 'bob');
    await viewers(host, 2);
    await say(bob, 'something rude');
    await listed(host, 'something rude');
    assert.equal(await bob.locator('#removed').isVisible(), false);
    assert.equal(await bob.locator('button.kick:visible').count(), 0, 'a viewer is offered no kick');
    assert.equal(await host.locator('button.kick[data-user="host"]:visible').count(), 0, 'nor is one of oneself');
    await host.locator('button.kick[data-user="bob"]').first().click();
    const removed = bob.locator('#removed');
    await removed.waitFor({ state: 'visible' });
    assert.ok((await removed.textContent()).trim().length > 0, 'it says why');
    await viewers(host, 1);
    assert.equal(bob.sockets, 1);
    // Longer than the grace period and a first back-off together.
    await delay(3_000);
    assert.equal(bob.sockets, 1, 'it opened no other connection');
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 1 });
    await say(host, 'after the kick');
    await listed(host, 'after the kick');
    assert.equal(await bob.locator('#list li', { hasText: 'after the kick' }).count(), 0);
});

page_scenario('markup in a comment or a name is shown as text', {}, async (server) => {
    const page = await enter(server, 'live', 'alice');
    const attacker = await server.connect('live', 'mallory', { name: '<b onclick=alert(1)>m</b>' });
    const shown = [flies(page, INJECTION), listed(page, INJECTION)];
    await publish(attacker, 'live', [INJECTION]);
    await Promise.all(shown);
    await say(page, `own ${INJECTION}`);
    await listed(page, `own ${INJECTION}`);
    const line = page.locator('#list li[data-user="mallory"]');
    assert.ok((await line.textContent()).includes('<b onclick=alert(1)>m</b>'), 'the name, letter by letter');
    const parsed = await page.evaluate(() => document.querySelectorAll('#list img, #stage img, #list script, #stage script, #list b[onclick]').length);
    assert.equal(parsed, 0);
    assert.equal(await page.evaluate(() => window.injected), undefined);
});

page_scenario('a button opens a second viewer in the same room', {}, async (server) => {
    const alice = await enter(server, 'live', 'alice');
    const [second] = await Promise.all([browser.waitForEvent('page'), alice.click('#second')]);
    await second.waitForLoadState();
    await Promise.all([viewers(alice, 2), viewers(second, 2)]);
    assert.deepEqual(await server.counts('live'), { users: 2, connections: 2 });
    await say(second, 'from the second');
    await listed(alice, 'from the second');
    assert.equal(await alice.locator('#removed').isVisible(), false, 'the first was not moved out');
});

page_scenario('what was said before is in the list of who comes later', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', ['before one', 'before two']);
    const page = await enter(server, 'live', 'bob');
    await listed(page, 'before two');
    const seqs = await page.locator('#list li[data-seq]').evaluateAll((l) => l.map((li) => Number(li.dataset.seq)));
    assert.deepEqual(seqs, [1, 2]);
});

page_scenario('the same name in another room moves the viewer, and the first tab says so', { 'grace-ms': 1_000 },
    async (server) => {
        const first = await enter(server, 'one', 'alice');
        await enter(server, 'two', 'alice');
        await first.locator('#removed').waitFor({ state: 'visible' });
        assert.ok((await first.locator('#removed').textContent()).trim().length > 0, 'it says why');
        await delay(2_000);
        assert.equal(first.sockets, 1);
        assert.deepEqual(await server.counts('two'), { users: 1, connections: 1 });
        assert.equal(await server.counts('one'), undefined);
    });

page_scenario('the page comes back by itself after the server restarted', {}, async (server) => {
    const page = await enter(server, 'live', 'alice');
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    const again = await Server.start({ port: server.port });
    try {
        await eventually(() => again.counts('live'), (c) => c?.users === 1, 'the page is back', 15_000);
        await say(page, 'back again');
        await listed(page, 'back again');
        await page.close();
        await again.emptied();
        assert.deepEqual(await again.stop(), { code: 0, signal: null });
    } finally {
        again.kill();
    }
});
