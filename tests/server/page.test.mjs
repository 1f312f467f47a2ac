// SPDX-License-Identifier: MIT
// The page at `/`, as people use it: in headless Chromium, with several tabs.
// CHROMIUM names another browser than Debian's.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { Server, eventually, publish, scenario } from './harness.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];
const INJECTION = '<img src=x onerror="window.injected=1"><script>window.injected=1</script>&amp;';

let browser;
let profile;

test.before(async () => {
    profile = mkdtempSync(join(tmpdir(), 'roomcast-page-'));
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    browser = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, headless: true });
    browser.setDefaultTimeout(10_000);
});

test.after(async () => {
    await browser?.close();
    if (profile) rmSync(profile, { recursive: true, force: true });
});

/** A scenario with tabs, which are closed before the registry must be empty, and met no fault of their own. */
function page_scenario(name, flags, body) {
    scenario(name, flags, async (server) => {
        const tabs = [];
        const faults = [];
        const watch = (page) => {
            tabs.push(page);
            page.sockets = 0;
            page.on('websocket', () => ++page.sockets);
            page.on('pageerror', (error) => faults.push(String(error)));
            page.on('console', (line) => {
                if (line.type() === 'error' && !/WebSocket|ERR_CONNECTION/.test(line.text())) faults.push(line.text());
            });
        };
        browser.on('page', watch);
        try {
            await body(server);
            assert.deepEqual(faults, [], 'errors in the pages');
        } finally {
            browser.off('page', watch);
            await Promise.all(tabs.map((page) => page.close()));
        }
    });
}

async function enter(server, room, name) {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.fill('#room', room);
    await page.fill('#name', name);
    await page.click('#enter');
    await page.waitForFunction(() => /[1-9]/.test(document.querySelector('#viewers').textContent));
    return page;
}

async function say(page, text) {
    await page.fill('#text', text);
    await page.click('#send');
}

const listed = (page, text) => page.locator('#list li', { hasText: text }).first().waitFor();
const viewers = (page, count) =>
    page.waitForFunction((n) => document.querySelector('#viewers').textContent.match(/\d+/)?.[0] === String(n), count);

/** The text is on the stage at some time from now on. */
function flies(page, text) {
    return page.waitForFunction((t) => document.querySelector('#stage').textContent.includes(t), text, { polling: 'raf' });
}

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
    await server.stop();
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
