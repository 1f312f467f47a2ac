// SPDX-License-Identifier: MIT
// Starts the server under test and speaks to it as any client would. Nothing
// here knows more of the server than its README says.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'node:test';
import WebSocket from 'ws';

// Long enough for an instrumented build on a busy machine; only failures wait for it.
const DEADLINE_MS = 10_000;
const ROOM_EVENTS = new Set(['comment', 'gift', 'like', 'presence', 'deleted', 'moderation', 'gap', 'sampled', 'reset']);
const NUMBERED = new Set(['comment', 'gift']);
const ANSWERS = new Set(['ok', 'error', 'joined', 'left', 'pong']);

const BINARY = process.env.ROOMCAST_SERVER;
assert.ok(BINARY, 'ROOMCAST_SERVER names the server binary');
export const INSTRUMENTED = /__[at]san_init/.test(readFileSync(BINARY, 'latin1'));

/** Limits are off, so that a test meets only those that it turns on. */
const DEFAULT_FLAGS = { port: 0, workers: 2, 'linger-ms': 0, 'comment-rate': 0, 'command-rate': 0, 'list-rooms': true };

/**
 * A test with a server of its own. Afterwards, whatever the test was about:
 * every client saw a lawful order of events, nobody is left in the registry
 * once all have gone, and the server stops cleanly with exit code 0.
 */
export function scenario(name, flags, body, options = {}) {
    test(name, { timeout: 60_000, ...options }, async () => {
        const server = await Server.start(flags);
        try {
            await body(server);
            if (!server.stopping) await server.emptied();
            assert.deepEqual(await server.stop(), { code: 0, signal: null }, 'the exit of the server');
        } catch (error) {
            error.message += `\n--- the server's log ---\n${server.log.slice(-4000)}`;
            throw error;
        } finally {
            server.kill();
        }
        for (const client of server.clients) assert.deepEqual(client.violations, []);
    });
}

/** Asks until `accept` takes the answer; for states that no event announces. */
export async function eventually(ask, accept, what, within = DEADLINE_MS) {
    const end = Date.now() + within;
    for (;;) {
        const answer = await ask();
        if (accept(answer)) return answer;
        if (Date.now() > end) assert.fail(`${what}: still ${JSON.stringify(answer)} after ${within} ms`);
        await delay(20);
    }
}

let connections = 0;

/** The promise, or a failure at the deadline. */
export function limited(promise, what, within = DEADLINE_MS) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: nothing within ${within} ms`)), within);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Server {
    clients = [];
    log = '';
    stopping = false;

    /** `flags`: `{name: value}`; true is a flag without a value, null leaves a default of the tests out. */
    static async start(flags = {}) {
        const all = { ...DEFAULT_FLAGS, ...flags };
        const args = [];
        for (const [name, value] of Object.entries(all)) {
            if (value === null) continue;
            args.push(`--${name}`);
            if (value !== true) args.push(String(value));
        }
        const server = new Server();
        server.lingers = all['linger-ms'] !== 0;
        server.child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        server.exit = new Promise((resolve, reject) => {
            server.child.once('error', reject);
            server.child.once('close', (code, signal) => resolve({ code, signal }));
        });
        server.child.stderr.on('data', (data) => (server.log += data));
        const lines = createInterface({ input: server.child.stdout });
        const first = once(lines, 'line').then(([line]) => line);
        lines.on('line', (line) => (server.log += `${line}\n`));
        const died = server.exit.then((exit) => {
            throw new Error(`the server ended at once: ${JSON.stringify(exit)}\n${server.log}`);
        });
        died.catch(() => {});
        const line = await limited(Promise.race([first, died]), 'the first line');
        const match = /^listening on (http:\/\/(\S+):(\d+)\/) \(ws \/ws\)$/.exec(line);
        if (!match) server.kill();
        assert.ok(match, `the first line tells the address: ${line}`);
        [, server.url, server.host, server.port] = match;
        return server;
    }

    /** Resident memory in MiB; 0 for an instrumented build, whose bookkeeping is not the server's. */
    memory() {
        if (INSTRUMENTED) return 0;
        // Counted page by page; VmRSS in `status` may lag behind.
        const maps = readFileSync(`/proc/${this.child.pid}/smaps_rollup`, 'utf8');
        return Number(/^Rss:\s+(\d+) kB/m.exec(maps)[1]) / 1024;
    }

    /** A connection; `user` and `room` given, one that has joined. */
    async connect(room, user, fields = {}) {
        const client = await Client.open(this);
        if (room !== undefined) client.first = await client.join(room, { user, ...fields });
        return client;
    }

    /** Any HTTP request; upgrades are answered as `{status: 101}` and dropped. */
    request(path, { method = 'GET', headers = {} } = {}) {
        const answer = new Promise((resolve, reject) => {
            const request = http.request({ host: this.host, port: this.port, path, method, headers, agent: false });
            request.on('response', async (response) => {
                const chunks = [];
                for await (const chunk of response) chunks.push(chunk);
                const body = Buffer.concat(chunks).toString();
                resolve({ status: response.statusCode, headers: response.headers, body });
            });
            request.on('upgrade', (response, socket) => {
                socket.destroy();
                resolve({ status: response.statusCode, headers: response.headers, body: '' });
            });
            request.on('error', reject);
            request.end();
        });
        return limited(answer, `${method} ${path}`);
    }

    async json(path) {
        const { status, headers, body } = await this.request(path);
        assert.match(String(headers['content-type']), /^application\/json/, `${path}: ${body}`);
        return { status, ...JSON.parse(body) };
    }

    /** What the server says of one room: `{users, connections}`, or undefined where it is not listed. */
    async counts(room) {
        const { status, users, connections } = await this.json(`/api/rooms/${encodeURIComponent(room)}`);
        return status === 200 ? { users, connections } : undefined;
    }

    /** All clients go; then the registry must be empty, but for rooms that linger. */
    async emptied() {
        for (const client of this.clients) client.socket.terminate();
        const empty = ({ total, rooms }) => (this.lingers ? rooms.every((r) => r.connections === 0) : total === 0);
        await eventually(() => this.json('/api/rooms'), empty, 'rooms after the last has gone');
    }

    /** Asks it to end, once; answers with its exit. */
    async stop(signal = 'SIGTERM') {
        if (!this.stopping) this.child.kill(signal);
        this.stopping = true;
        return limited(this.exit, 'the exit of the server');
    }

    kill() {
        for (const client of this.clients) client.socket.terminate();
        this.child.kill('SIGKILL');
    }
}

/**
 * One WebSocket connection. Every event is kept in order, and checked against
 * what holds for any client at any time; a breach is in `violations`.
 */
export class Client {
    events = [];
    violations = [];
    rooms = new Map();
    #taken = new Set();
    #waiting = new Set();
    #requests = 0;
    #number = ++connections;

    static async open(server, { path = '/ws', protocols = [], ...options } = {}) {
        const client = new Client();
        client.socket = new WebSocket(`ws://${server.host}:${server.port}${path}`, protocols, options);
        server.clients.push(client);
        client.closed = new Promise((resolve) => {
            client.socket.on('close', (code, reason) => {
                client.end = { code, reason: reason.toString() };
                resolve(client.end);
                client.#settle();
            });
        });
        client.socket.on('message', (data, binary) => client.#received(data, binary));
        const opened = once(client.socket, 'open');
        await limited(opened, 'the handshake').finally(() => client.socket.on('error', () => {}));
        return client;
    }

    send(event, fields = {}) {
        this.text(JSON.stringify({ event, ...fields }));
    }

    /** One text message, whatever it says. */
    text(text) {
        this.socket.send(text);
    }

    /** Bytes past the WebSocket library. */
    raw(bytes) {
        return this.socket._socket.write(bytes);
    }

    /** No close handshake: the peer sees a reset. */
    reset() {
        this.socket._socket.resetAndDestroy();
    }

    /** From now on the server's close frame is not answered; resolves to its code once it is there. */
    ignore_close() {
        const close = new Promise((resolve) => (this.socket.close = resolve));
        return limited(close, 'the close frame');
    }

    /** No other connection uses it: a user's repeated ids count as one message. */
    fresh_id(what) {
        return `${what}-${this.#number}-${++this.#requests}`;
    }

    /** Sends with an id of its own, and answers with what carries that id. */
    async request(event, fields = {}) {
        const id = this.fresh_id(event);
        this.send(event, { id, ...fields });
        const answer = await this.next('', (e) => ANSWERS.has(e.event) && e.id === id);
        if (answer.event !== 'pong') assert.equal(answer.of, event, JSON.stringify(answer));
        return answer;
    }

    async join(room, fields = {}) {
        return this.#accepted('joined', await this.request('join', { room, ...fields }));
    }

    /** The `ok` of a request that is to succeed. */
    async accepted(event, fields = {}) {
        return this.#accepted('ok', await this.request(event, fields));
    }

    /** The `error` of a request that is to be refused with `code`. */
    async refused(code, event, fields = {}) {
        const answer = await this.request(event, fields);
        assert.equal(answer.event, 'error', JSON.stringify(answer));
        assert.equal(answer.code, code, JSON.stringify(answer));
        assert.equal(typeof answer.message, 'string');
        return answer;
    }

    #accepted(event, answer) {
        assert.equal(answer.event, event, JSON.stringify(answer));
        return answer;
    }

    /**
     * The earliest event of that name (any, when empty) which matches and was
     * not yet returned. Fails at the deadline, or as soon as the connection
     * has ended without it. `from` skips that many events of the log.
     */
    next(event, matches = () => true, within = DEADLINE_MS, from = 0) {
        return new Promise((resolve, reject) => {
            const wait = { wanted: (e) => (!event || e.event === event) && matches(e), resolve, reject, at: from };
            wait.error = new Error(`no ${event || 'such'} event`);
            wait.timer = setTimeout(() => this.#fail(wait, `within ${within} ms`), within);
            this.#waiting.add(wait);
            this.#settle();
        });
    }

    /** As `next`, but only of what comes from now on: asked before that which brings it about. */
    later(event, matches, within) {
        return this.next(event, matches, within, this.events.length);
    }

    /** The room's message of that number was told, live or in the reply to the join. */
    async reached(room, seq) {
        const it = (e) => NUMBERED.has(e.event) && e.room === room && e.seq === seq;
        if (!(this.rooms.get(room)?.last >= seq)) await this.next('', it);
    }

    /** All events of that name up to now, whether returned by `next` or not. */
    all(event, matches = () => true) {
        return this.events.filter((e) => e.event === event && matches(e));
    }

    /** Everything that the server sent before it saw this. */
    async caught_up() {
        await this.request('ping');
    }

    /** The close, `{code, reason}`. */
    close_of(within = DEADLINE_MS) {
        return limited(this.closed, `the close (${this.#tail()})`, within);
    }

    /** The `force_disconnect`, with these fields. */
    async farewell(expected, within = DEADLINE_MS) {
        const event = await this.next('force_disconnect', () => true, within);
        for (const [key, value] of Object.entries(expected)) assert.deepEqual(event[key], value, JSON.stringify(event));
        assert.equal(typeof event.reason, 'string');
        return event;
    }

    #tail() {
        const last = this.events.slice(-8).map((e) => JSON.stringify(e).slice(0, 200));
        return `last events: ${last.join(' ') || 'none'}; ${this.end ? `closed ${this.end.code}` : 'open'}`;
    }

    #fail(wait, why) {
        clearTimeout(wait.timer);
        this.#waiting.delete(wait);
        wait.error.message += ` ${why}; ${this.#tail()}`;
        wait.reject(wait.error);
    }

    // A waiter looks at each event once, so that long logs stay cheap.
    #settle() {
        for (const wait of this.#waiting) {
            for (; wait.at < this.events.length; ++wait.at) {
                if (this.#taken.has(wait.at) || !wait.wanted(this.events[wait.at])) continue;
                this.#taken.add(wait.at);
                this.#waiting.delete(wait);
                clearTimeout(wait.timer);
                wait.resolve(this.events[wait.at]);
                break;
            }
            if (this.end && this.#waiting.has(wait)) this.#fail(wait, 'before the connection ended');
        }
    }

    #received(data, binary) {
        let event;
        try {
            event = JSON.parse(data.toString());
        } catch {
            event = { event: undefined };
        }
        if (binary || typeof event?.event !== 'string') this.violations.push(`not an event: ${data}`);
        this.#check(event);
        this.events.push(event);
        this.#settle();
    }

    // Of a room that a migration ended, one message may still be under way.
    #depart(room) {
        if (this.rooms.delete(room)) this.under_way = room;
    }

    #check(event) {
        const breach = (what) => this.violations.push(`${what}: ${JSON.stringify(event).slice(0, 300)}`);
        if (this.farewelled && event.event !== 'pong') breach('after force_disconnect');
        if (event.event === 'force_disconnect') this.farewelled = true;

        if (event.event === 'joined') {
            const seqs = event.history.map((e) => e.seq);
            const first = event.seq - seqs.length + 1;
            if (seqs.some((seq, i) => seq !== first + i)) breach('a history that is not the newest, contiguous');
            if (event.history.some((e) => e.room !== event.room || !(NUMBERED.has(e.event) || e.event === 'deleted')))
                breach('a history of something else');
            if (event.from !== undefined) this.#depart(event.from);
            if (!this.rooms.has(event.room)) this.rooms.set(event.room, { last: event.seq, missed: new Set() });
            return;
        }
        if (event.event === 'left' || event.event === 'removed') this.rooms.delete(event.room);
        if (event.event === 'moved') this.#depart(event.from);
        if (!ROOM_EVENTS.has(event.event)) return;

        const room = this.rooms.get(event.room);
        if (!room) {
            if (this.under_way !== event.room) breach('of a room where the client is not');
            this.under_way = undefined;
            return;
        }
        if (event.event === 'presence') {
            const { users, connections } = room.presence ?? {};
            const named = event.came !== undefined || event.went !== undefined;
            if (users === event.users && connections === event.connections && !named) breach('a presence that tells nothing new');
            room.presence = event;
        }
        if (event.event === 'like') {
            const before = room.like ?? { total: 0, ts: 0 };
            if (event.total < before.total + event.delta) breach(`likes that were ${before.total} before`);
            if (event.ts < before.ts + 950) breach('likes told twice within a second');
            room.like = event;
        }
        if (event.event === 'deleted' && event.seq > room.last) breach('deleted before it was told');
        if (event.event === 'reset') Object.assign(room, { last: event.seq, missed: new Set() });
        if (event.event === 'gap') {
            for (let seq = event.from; seq <= event.to; ++seq) room.missed.add(seq);
        }
        if (NUMBERED.has(event.event)) {
            for (let seq = room.last + 1; seq < event.seq; ++seq) {
                if (!room.missed.has(seq)) return breach(`a jump from ${room.last} without gap`);
            }
            if (event.seq <= room.last) breach(`a number that is not above ${room.last}`);
            room.last = event.seq;
        }
    }
}

/** The numbered messages of a room as one client saw them: `[seq, user, text]`. */
export function heard(client, room) {
    return client.all('comment', (e) => e.room === room).map((e) => [e.seq, e.user, e.text]);
}

/**
 * Sends `texts` as comments, at most `window` of them unheard, so that it is
 * the room and not this process that sets the pace.
 */
export async function publish(client, room, texts, window = 8) {
    const batch = `${client.fresh_id('publish')}-`;
    const mine = (e) => e.room === room && e.id !== undefined && e.id.startsWith(batch);
    let from = client.events.length;
    const echo = async () => (from = client.events.lastIndexOf(await client.next('comment', mine, DEADLINE_MS, from)));
    for (const [i, text] of texts.entries()) {
        if (i >= window) await echo();
        client.send('comment', { room, text, id: batch + i });
    }
    for (let unheard = Math.min(window, texts.length); unheard > 0; --unheard) await echo();
}
