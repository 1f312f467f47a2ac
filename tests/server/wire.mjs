// SPDX-License-Identifier: MIT
// A WebSocket client on a plain socket, for tests with hundreds of them and
// hundreds of thousands of messages: it keeps nothing of what comes, and says
// what came in one read.

import assert from 'node:assert/strict';
import net from 'node:net';
import { limited } from './harness.mjs';

const DEADLINE_MS = 20_000;
const TEXT = 1, CLOSE = 8, PING = 9, PONG = 10;

/** One frame as a client must send it; a key of zeros masks, too. */
export function frame(opcode, payload) {
    const bytes = Buffer.from(payload);
    const wide = bytes.length > 125;
    const head = Buffer.alloc(wide ? 8 : 6);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (wide ? 126 : bytes.length);
    if (wide) head.writeUInt16BE(bytes.length, 2);
    return Buffer.concat([head, bytes]);
}

export class Wire {
    violations = [];
    paused = false;
    #rest = null;
    #waits = new Set();

    /**
     * Upgraded, and nothing more. Each text message goes to `take` as its bytes
     * (good during the call); `read` is called after those of one read, with
     * their number.
     */
    static async open(server, take, read = () => {}) {
        const wire = new Wire();
        wire.take = take;
        wire.read = read;
        wire.net = net.connect({ host: server.host, port: server.port, noDelay: true });
        wire.socket = { terminate: () => wire.net.destroy() };  // as the harness knows it
        server.clients.push(wire);
        wire.closed = new Promise((resolve) => {
            wire.net.on('error', () => {});
            wire.net.on('close', () => {
                wire.end ??= { code: 1006 };
                resolve(wire.end);
                wire.#settle();
            });
        });
        wire.net.on('data', (bytes) => wire.#received(bytes));
        wire.net.write(`GET /ws HTTP/1.1\r\nHost: ${server.host}:${server.port}\r\nConnection: Upgrade\r\n`
            + 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
        await wire.when(() => wire.upgraded, 'the handshake');
        return wire;
    }

    /** All of them in one write. */
    send(...messages) {
        this.net.write(Buffer.concat(messages.map((message) => frame(TEXT, JSON.stringify(message)))));
    }

    /** From now on nothing is read: what comes fills the kernel's buffers, then the server's. */
    pause() {
        this.paused = true;
        this.net.pause();
    }
    resume() {
        this.paused = false;
        this.net.resume();
    }

    /** The peer sees a reset; what was not taken yet never is. */
    reset() {
        this.take = this.read = () => {};
        this.net.resetAndDestroy();
    }

    /** Until it holds; looked at after each read. */
    when(holds, what, within = DEADLINE_MS) {
        const held = new Promise((resolve, reject) => {
            const wait = { holds, what, resolve, reject };
            this.#waits.add(wait);
            this.#settle();
        });
        return limited(held, what, within);
    }

    #settle() {
        for (const wait of this.#waits) {
            if (wait.holds()) wait.resolve();
            else if (this.end) wait.reject(new Error(`${wait.what}: the connection ended with ${this.end.code}`));
            else continue;
            this.#waits.delete(wait);
        }
    }

    #received(chunk) {
        let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
        let at = 0;
        let texts = 0;
        if (!this.upgraded) {
            const end = bytes.indexOf('\r\n\r\n');
            if (end < 0) return void (this.#rest = bytes);
            const [status] = bytes.toString('latin1', 0, end).split('\r\n');
            if (!status.startsWith('HTTP/1.1 101')) {
                this.violations.push(status);
                return this.net.destroy();
            }
            this.upgraded = true;
            at = end + 4;
        }
        for (;;) {
            const there = bytes.length - at;
            if (there < 2) break;
            let length = bytes[at + 1];
            let head = 2;
            if (length >= 126) {
                head = length === 126 ? 4 : 10;
                if (there < head) break;
                length = length === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
            }
            if (there < head + length) break;
            const payload = bytes.subarray(at + head, at + head + length);
            const opcode = bytes[at] & 0x0f;
            at += head + length;
            if (opcode === TEXT) {
                ++texts;
                this.take(payload);
            }
            else if (opcode === PING) this.net.write(frame(PONG, payload));
            else if (opcode === CLOSE) {
                this.end = { code: payload.readUInt16BE(0) };
                this.net.end(frame(CLOSE, payload.subarray(0, 2)));
            }
            if (this.net.destroyed) return;
        }
        this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : null;
        if (texts !== 0) this.read(texts);
        this.#settle();
    }
}

const COMMENT = Buffer.from('{"event":"comment"');
const SEQ = Buffer.from('"seq":');

/** The `seq` of a comment, without parsing the rest; 0 for another event. */
export function comment_seq(bytes) {
    if (bytes.compare(COMMENT, 0, COMMENT.length, 0, COMMENT.length) !== 0) return 0;
    let at = bytes.lastIndexOf(SEQ) + SEQ.length;
    let seq = 0;
    for (; bytes[at] >= 0x30 && bytes[at] <= 0x39; ++at) seq = seq * 10 + bytes[at] - 0x30;
    return seq;
}

/**
 * What one member of a room hears, checked: from `joined` on every number once
 * and in order, those in a `gap` counted as missed; a gap comes before what
 * follows it, and says exactly which and how many.
 */
export class Hearing {
    heard = 0;
    missed = 0;
    gaps = 0;
    joined = null;
    farewell = null;
    faults = [];

    constructor(room) {
        this.room = room;
    }

    take(bytes) {
        const seq = comment_seq(bytes);
        if (seq !== 0) {
            if (!this.joined) this.fault(`${seq} before joined`);
            else if (this.farewell) this.fault(`${seq} after force_disconnect`);
            else if (seq !== this.last + 1) this.fault(`${seq} after ${this.last}`);
            this.last = seq;
            ++this.heard;
            return;
        }
        const event = JSON.parse(bytes);
        this.other?.(event);
        if (event.event === 'force_disconnect') this.farewell = event;
        if (event.room !== this.room) return;
        if (event.event === 'joined') {
            // Again where it is: all up to there has been told by then.
            if (this.joined && event.seq !== this.last) this.fault(`joined at ${event.seq} after ${this.last}`);
            this.joined ??= event;
            this.last = event.seq;
        } else if (event.event === 'left') {
            this.joined = null;
        } else if (event.event === 'gap') {
            const { from, to, dropped } = event;
            if (from !== this.last + 1 || to < from || dropped !== to - from + 1)
                this.fault(`gap ${from} to ${to} of ${dropped} after ${this.last}`);
            this.last = to;
            this.missed += dropped;
            ++this.gaps;
        }
    }

    fault(what) {
        if (this.faults.length < 5) this.faults.push(what);
    }
}

/** A member that is in the room, and what it hears. */
export async function member(server, room, user, fields = {}) {
    const hearing = new Hearing(room);
    const wire = await Wire.open(server, (bytes) => hearing.take(bytes));
    wire.hearing = hearing;
    wire.send({ event: 'join', room, user, history: 0, ...fields });
    await wire.when(() => hearing.joined, `${user} joins`);
    return wire;
}

/**
 * Four members that keep `window` comments each unheard until `total` are in
 * the room, or until `until()`, so that it is the room and not this process
 * that sets the pace; with `abreast`, never more than `most` ahead of any of
 * those members that has not stopped to read. They carry no ids, which the
 * server would keep for a while. `text(n)` is the n-th comment's. Resolves with
 * their number when all have been heard.
 */
export async function flood(server, room, { total = Infinity, text, window = 16, until = () => false, abreast = [], most = 48 }) {
    let sent = 0;
    const start = abreast[0]?.hearing.last;
    const over = () => sent >= total || until();
    const publishers = [];
    const far_behind = (last) => start + sent >= last + most;
    const abreast_all = () => !abreast.some((one) => !one.paused && !one.end && far_behind(one.hearing.last))
        && !publishers.some(({ last }) => far_behind(last));

    const publish = async (i) => {
        const publisher = { under_way: 0 };
        const own = Buffer.from(`"user":"publisher-${i}"`);
        const wire = await Wire.open(server, (bytes) => {
            const seq = comment_seq(bytes);
            if (seq !== 0) {
                publisher.last = seq;
                if (bytes.includes(own)) --publisher.under_way;
                return;
            }
            const event = JSON.parse(bytes);
            if (event.event === 'joined') [publisher.joined, publisher.last] = [true, event.seq];
            if (event.event === 'error') publisher.refused = event;
        }, () => publisher.more());
        publisher.more = () => {
            const batch = [];
            for (; publisher.joined && publisher.under_way < window && !over() && abreast_all(); ++publisher.under_way, ++sent)
                batch.push({ event: 'comment', room, text: text(sent) });
            if (batch.length) wire.send(...batch);
        };
        const done = () => publisher.refused || (publisher.joined && publisher.under_way === 0 && over());
        wire.send({ event: 'join', room, user: `publisher-${i}`, history: 0 });
        publisher.done = wire.when(done, `publisher ${i}`, 120_000);
        publisher.wire = wire;
        publishers.push(publisher);
    };
    await Promise.all([0, 1, 2, 3].map(publish));
    // One who catches up may be whom all wait for.
    for (const one of abreast) one.read = () => publishers.forEach((publisher) => publisher.more());
    await Promise.all(publishers.map(({ done }) => done));
    for (const one of abreast) one.read = () => {};
    for (const { wire, refused } of publishers) {
        assert.equal(refused, undefined, JSON.stringify(refused));
        wire.net.end(frame(CLOSE, '\x03\xe8'));
    }
    return sent;
}
