// SPDX-License-Identifier: MIT
// The page as people use it, in a headless Chromium of the test file's own.
// CHROMIUM names another browser than Debian's.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { scenario } from './harness.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

export let browser;
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
export function page_scenario(name, flags, body) {
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

export async function enter(server, room, name, prepare = () => {}) {
    const page = await browser.newPage();
    await prepare(page);
    await page.goto(server.url);
    await page.fill('#room', room);
    await page.fill('#name', name);
    await page.click('#enter');
    await page.waitForFunction(() => /[1-9]/.test(document.querySelector('#viewers').textContent));
    return page;
}

export async function say(page, text) {
    await page.fill('#text', text);
    await page.click('#send');
}

export const listed = (page, text) => page.locator('#list li', { hasText: text }).first().waitFor();
export const viewers = (page, count) =>
    page.waitForFunction((n) => document.querySelector('#viewers').textContent.match(/\d+/)?.[0] === String(n), count);

/** The text is on the stage at some time from now on. */
export function flies(page, text) {
    return page.waitForFunction((t) => document.querySelector('#stage').textContent.includes(t), text, { polling: 'raf' });
}
