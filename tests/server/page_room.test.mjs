// SPDX-License-Identifier: MIT
// What the page shows and does beside comments: gifts, likes, deletions,
// notices, and what a lost connection leaves to be mended.
import assert from 'node:assert/strict';
import { enter, flies, listed, page_scenario, say, viewers } from './browser.mjs';
import { eventually, publish } from './harness.mjs';

/** The page's connection, in our hands: what passes can be changed, kept back, or cut. */
class Wire {
    connections = 0;
    to_page = (message) => message;    // null: lost
    to_server = (message) => message;  // null: lost
    gate = Promise.resolve();          // what the next connection waits for

    async take(page) {
        await page.routeWebSocket(/\/ws$/, async (route) => {
            ++this.connections;
            await this.gate;
            const server = route.connectToServer();
            const pass = (filter, side) => (text) => {
                const message = filter(JSON.parse(text));
                if (message) side.send(JSON.stringify(message));
            };
            route.onMessage((text) => pass((m) => this.to_server(m), server)(text));
            server.onMessage((text) => pass((m) => this.to_page(m), route)(text));
            this.say = (message) => route.send(JSON.stringify(message));
            this.cut = async () => {
                await server.close();
                await route.close({ code: 1012, reason: 'cut' });
            };
        });
    }
}

const seqs = (page) => page.locator('#list li[data-seq]').evaluateAll((l) => l.map((li) => Number(li.dataset.seq)));
const shows = (page, selector, text) =>
    page.waitForFunction(([s, t]) => document.querySelector(s)?.textContent === t, [selector, text]);

page_scenario('a gift is given with one tap, and seen by all', { gifts: 'rose,<b>boat</b>' }, async (server) => {
    const alice = await enter(server, 'live', 'alice');
    const bob = await enter(server, 'live', 'bob');
    assert.equal(await alice.locator('#gifts button').count(), 2);
    const flown = [flies(alice, '🌹'), flies(bob, '🌹')];
    await bob.click('#gifts button[data-gift="rose"]');
    await Promise.all(flown);
    for (const page of [alice, bob]) {
        const line = page.locator('#list li.gift[data-seq="1"]');
        await line.waitFor();
        assert.match(await line.textContent(), /bob.*🌹/s);
    }
    await alice.locator('#gifts button').last().click();
    await listed(bob, '<b>boat</b>');
    assert.equal(await bob.locator('#list b, #gifts b').count(), 0, 'shown as text');
    const late = await enter(server, 'live', 'carol');
    await late.locator('#list li.gift[data-seq="1"]').waitFor();
});

page_scenario('hearts are counted over all viewers, and kept for who comes later', {}, async (server) => {
    const alice = await enter(server, 'live', 'alice');
    const bob = await enter(server, 'live', 'bob');
    assert.equal(await bob.textContent('#likes'), '0');
    for (let i = 0; i < 5; ++i) await alice.click('#like');
    await Promise.all([shows(alice, '#likes', '5'), shows(bob, '#likes', '5')]);
    await bob.click('#like');
    await Promise.all([shows(alice, '#likes', '6'), shows(bob, '#likes', '6')]);
    const late = await enter(server, 'live', 'carol');
    assert.equal(await late.textContent('#likes'), '6');
});

page_scenario('what the host deletes is gone from all lists and stages', { gifts: 'rose' }, async (server) => {
    const host = await enter(server, 'live', 'host');
    const bob = await enter(server, 'live', 'bob');
    await viewers(host, 2);
    const flown = [flies(host, 'something rude'), flies(bob, 'something rude')];
    await say(bob, 'something rude');
    await Promise.all(flown);
    await bob.click('#gifts button[data-gift="rose"]');
    await say(host, 'welcome');
    for (const page of [host, bob]) await listed(page, 'welcome');
    assert.equal(await bob.locator('button.delete').count(), 0, 'a viewer is offered none');
    await host.click('#list li[data-seq="1"] button.delete');
    for (const page of [host, bob]) {
        await page.locator('#list li[data-seq="1"]').waitFor({ state: 'detached' });
        assert.equal(await page.locator('#stage', { hasText: 'something rude' }).count(), 0, 'nor does it fly on');
        assert.deepEqual(await seqs(page), [2, 3]);
    }
    await host.click('#list li[data-seq="2"] button.delete');
    await bob.locator('#list li[data-seq="2"]').waitFor({ state: 'detached' });
    const late = await enter(server, 'live', 'carol');
    await listed(late, 'welcome');
    assert.deepEqual(await seqs(late), [3]);
});

page_scenario('what was missed while the connection was lost comes once, and nothing comes twice', {}, async (server) => {
    const wire = new Wire();
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', ['one', 'two']);
    const page = await enter(server, 'live', 'bob', (p) => wire.take(p));
    await publish(alice, 'live', ['three']);
    await listed(page, 'three');
    let open;
    wire.gate = new Promise((resolve) => (open = resolve));
    const asked = [];
    wire.to_server = (message) => (asked.push(message), message);
    await wire.cut();
    await publish(alice, 'live', ['four', 'five']);
    await alice.accepted('delete', { seq: 4 });
    open();
    await listed(page, 'five');
    await publish(alice, 'live', ['six']);
    await listed(page, 'six');
    assert.deepEqual(await seqs(page), [1, 2, 3, 5, 6]);
    assert.equal(wire.connections, 2);
    const { event, since, resume } = asked[0];
    assert.deepEqual({ event, since, resume }, { event: 'join', since: { epoch: alice.first.epoch, seq: 3 }, resume: true });
});

for (const [what, lose] of [
    ['that the server never got', 'to_server'],
    ['whose answer was lost', 'to_page'],
]) {
    page_scenario(`a comment ${what} is said again after a lost connection, and heard once`, {}, async (server) => {
        const wire = new Wire();
        const alice = await server.connect('live', 'alice');
        const page = await enter(server, 'live', 'bob', (p) => wire.take(p));
        const lost = new Promise((resolve) => {
            wire[lose] = (message) => {
                if (message.event !== 'comment' && message.event !== 'ok') return message;
                resolve();
                return null;
            };
        });
        await say(page, 'hello?');
        await lost;
        if (lose === 'to_page') await alice.reached('live', 1);
        wire[lose] = (message) => message;
        await wire.cut();
        await listed(page, 'hello?');
        await alice.reached('live', 1);
        await publish(alice, 'live', ['I hear you']);
        await listed(page, 'I hear you');
        assert.deepEqual(await seqs(page), [1, 2]);
        assert.equal(await page.locator('#list li', { hasText: 'hello?' }).count(), 1);
        assert.equal(alice.all('comment').length, 2);
    });
}

page_scenario('where numbers begin anew the page goes on from there', {}, async (server) => {
    const wire = new Wire();
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', ['one', 'two', 'three']);
    const page = await enter(server, 'live', 'bob', (p) => wire.take(p));
    await listed(page, 'three');
    wire.say({ event: 'reset', room: 'elsewhere', epoch: 'wrong', seq: 7 });
    wire.say({ event: 'reset', room: 'live', epoch: 'anew', seq: 0 });
    const renumbered = { event: 'comment', room: 'live', user: 'alice', name: 'alice', mode: 'scroll', ts: 1 };
    wire.say({ ...renumbered, seq: 1, text: 'first of the new' });
    await listed(page, 'first of the new');
    assert.deepEqual(await seqs(page), [1], 'the old ones have no number by which they could be deleted');
    assert.equal(await page.locator('#list li', { hasText: 'three' }).count(), 1, 'but are still there');
    const joins = [];
    wire.to_server = (message) => (joins.push(message), message);
    await wire.cut();
    await eventually(() => joins.length, (n) => n > 0, 'the next join');
    assert.deepEqual(joins[0].since, { epoch: 'anew', seq: 1 });
});

page_scenario('what was left out or missed is one quiet line', { 'room-rate': 5 }, async (server) => {
    const wire = new Wire();
    await server.connect('live', 'host');
    const page = await enter(server, 'live', 'bob', (p) => wire.take(p));
    const alice = await server.connect('live', 'alice');
    let refused = 0;
    for (let i = 0; i < 20; ++i) refused += (await alice.request('comment', { text: 'x' })).event === 'error';
    assert.ok(refused > 0);
    await page.locator('#list li.note[data-tally="sampled"]', { hasText: String(refused) }).waitFor();
    const { seq } = await alice.accepted('gift', { gift: 'rose' });
    await page.locator(`#list li[data-seq="${seq}"]`).waitFor();
    wire.say({ event: 'gap', room: 'live', dropped: 3, from: seq + 1, to: seq + 3 });
    wire.say({ event: 'gap', room: 'live', dropped: 4, from: seq + 4, to: seq + 7 });
    const gap = page.locator('#list li.note[data-tally="gap"]');
    await page.locator('#list li.note', { hasText: '7 messages' }).waitFor();
    assert.equal(await gap.count(), 1);
});

page_scenario('moved by another device, the page speaks where it is now', { others: 'follow' }, async (server) => {
    const page = await enter(server, 'one', 'alice');
    const phone = await server.connect('one', 'alice');
    const bob = await server.connect('two', 'bob');
    await phone.join('two');
    await page.waitForFunction(() => document.querySelector('#where').textContent.includes('two'));
    await say(page, 'over here');
    assert.equal((await bob.next('comment')).text, 'over here');
    await page.click('#like');
    assert.equal((await bob.next('like')).total, 1);
});

page_scenario('all of it fits on a phone', { gifts: 'rose,heart,cake,crown,rocket,yacht,a gift with a rather long name' },
    async (server) => {
        const page = await enter(server, 'live', 'alice', (p) => p.setViewportSize({ width: 360, height: 640 }));
        await say(page, `a long word ${'x'.repeat(200)}`);
        await listed(page, 'a long word');
        const [width, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
        assert.ok(width <= inner, `${width} px of ${inner}`);
        for (const selector of ['#like', '#gifts button[data-gift="rocket"]', 'button.delete', '#text', '#send']) {
            const box = await page.locator(selector).first().boundingBox();
            assert.ok(box && box.x >= 0 && box.x + box.width <= 360, `${selector} at ${JSON.stringify(box)}`);
        }
    });
