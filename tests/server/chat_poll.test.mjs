// SPDX-License-Identifier: MIT
// The small host on poll(), as people use it: a line sent, lines heard.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { limited } from './harness.mjs';

const BINARY = process.env.ROOMCAST_CHAT_POLL;

/** One terminal: `heard` takes the earliest line that was not taken and has this in it. */
class Terminal {
    lines = [];
    #taken = 0;
    #wake = () => {};

    constructor(port) {
        this.socket = net.connect(port, '127.0.0.1');
        this.socket.on('error', () => {});
        this.ended = once(this.socket, 'close');
        createInterface({ input: this.socket }).on('line', (line) => {
            this.lines.push(line);
            this.#wake();
        });
    }

    say(...lines) {
        for (const line of lines) this.socket.write(`${line}\n`);
    }

    heard(what) {
        const look = async () => {
            for (;;) {
                while (this.#taken < this.lines.length) {
                    const line = this.lines[this.#taken++];
                    if (line.includes(what)) return line;
                }
                await new Promise((resolve) => (this.#wake = resolve));
            }
        };
        return limited(look(), `${what}, after ${JSON.stringify(this.lines.slice(-3))}`);
    }
}

async function host(body) {
    const child = spawn(BINARY, ['0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exit = once(child, 'exit');
    try {
        const [line] = await limited(once(createInterface({ input: child.stdout }), 'line'), 'the first line');
        const port = Number(/^listening on 127\.0\.0\.1 port (\d+)$/.exec(line)[1]);
        await body(() => new Terminal(port), child, port);
        child.kill('SIGINT');
        assert.deepEqual(await limited(exit, 'the exit'), [0, null]);
    } finally {
        child.kill('SIGKILL');
    }
}

test('people join, talk, leave and quit, line by line', () => host(async (open) => {
    const [alice, bob] = [open(), open()];
    alice.say('hello?');
    await alice.heard('you are in no room');
    alice.say('join', 'join lobby');
    await alice.heard('not joined: bad_id');
    await alice.heard('not joined: no_user');
    alice.say('join lobby alice');
    await alice.heard('"event":"joined"');
    alice.say('first \u001b[31mline\r');
    assert.equal(await alice.heard('first'), 'alice: first [31mline', 'nothing that steers a terminal');
    bob.say('join lobby bob');
    const joined = JSON.parse(await bob.heard('"event":"joined"'));
    assert.equal(joined.online.users, 2);
    assert.deepEqual(joined.history.map((entry) => entry.payload), ['alice: first [31mline']);
    bob.socket.write('in two ');
    bob.socket.write('pieces\n');
    for (const terminal of [alice, bob]) await terminal.heard('bob: in two pieces');
    bob.say('x'.repeat(1_500));
    await alice.heard(`bob: ${'x'.repeat(1_000)}`);
    await alice.heard(`bob: ${'x'.repeat(500)}`);
    bob.say('leave', 'anybody?');
    await bob.heard('"event":"left"');
    await bob.heard('you are in no room');
    bob.say('quit');
    assert.equal(await bob.heard('bye'), 'bye 1000 as you wish');
    await limited(bob.ended, 'the end of the stream');
    alice.socket.destroy();
}));

test('who moves to another room is nowhere else, and whoever was left behind goes', () => host(async (open) => {
    const [laptop, phone] = [open(), open()];
    laptop.say('join one alice');
    await laptop.heard('joined');
    phone.say('join one alice');
    await phone.heard('joined');
    phone.say('join two');
    assert.equal(JSON.parse(await phone.heard('"from"')).from, 'one');
    assert.equal(JSON.parse(await laptop.heard('force_disconnect')).code, 4003);
    await laptop.heard('bye 4003');
    await limited(laptop.ended, 'the end of the stream');
}));

test('a reader that stops costs itself a gap, and the others nothing', () => host(async (open) => {
    const [alice, bob] = [open(), open()];
    for (const [terminal, name] of [[alice, 'alice'], [bob, 'bob']]) {
        terminal.say(`join lobby ${name}`);
        await terminal.heard('joined');
    }
    bob.socket.pause();
    // More than the kernel's buffers and the outbox hold.
    const rounds = 160, each = 100;
    for (let round = 0; round < rounds; ++round) {
        alice.say(...Array.from({ length: each }, (_, i) => `${round * each + i} ${'x'.repeat(950)}`));
        await alice.heard(`alice: ${(round + 1) * each - 1} `);
    }
    assert.ok(!alice.lines.some((line) => line.includes('"gap"')));
    bob.socket.resume();
    alice.say('fence');
    await bob.heard('alice: fence');
    const gaps = bob.lines.filter((line) => line.includes('"event":"gap"')).map((line) => JSON.parse(line));
    assert.ok(gaps.length > 0);
    const dropped = gaps.reduce((sum, gap) => sum + gap.dropped, 0);
    assert.equal(bob.lines.filter((line) => line.startsWith('alice: ')).length + dropped, rounds * each + 1);
}));

test('an interrupt sends everybody away and lets nobody in, a second one ends whoever stays', () => host(async (open, child, port) => {
    const polite = open();
    polite.say('join lobby polite');
    await polite.heard('joined');
    const stranger = open();
    stranger.say('hello');
    await stranger.heard('no room');
    const deaf = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });  // never ends its side
    deaf.on('error', () => {});
    await once(deaf, 'connect');
    deaf.write('join lobby deaf\n');
    await once(deaf, 'data');
    child.kill('SIGINT');
    const farewell = JSON.parse(await polite.heard('force_disconnect'));
    assert.equal(farewell.code, 4200);
    assert.equal(farewell.retry_after_ms, 2_000);
    for (const terminal of [polite, stranger]) {
        assert.equal(await terminal.heard('bye'), 'bye 4200 the host restarts');
        await limited(terminal.ended, 'the end of the stream');
    }
    const [error] = await once(net.connect(port, '127.0.0.1'), 'error');
    assert.equal(error.code, 'ECONNREFUSED');
}));
