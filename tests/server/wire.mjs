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
        this.net.pause();
    }
    resume() {
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
 * Members that keep `window` comments each under way until `total` are in the
 * room, so that it is the room and not this process that sets the pace.
 * `text(n)` is the n-th comment's. Resolves when the room has all.
 */
export async function flood(server, room, { publishers = 4, total = Infinity, window = 16, text, until = () => false }) {
    let sent = 0;
    const publish = async (i) => {
        let under_way = 0;
        const wire = await Wire.open(server, (bytes) => {
            if (comment_seq(bytes) !== 0) return;
            const event = JSON.parse(bytes);
            if (event.event === 'joined') wire.joined = event;
            if (event.event === 'error') wire.refused = event;
            if (event.event === 'ok') --under_way;
        }, () => wire.joined && more());
        const more = () => {
            const batch = [];
            for (; under_way < window && sent < total && !until(); ++under_way, ++sent)
                batch.push({ event: 'comment', room, text: text(sent), id: `${sent}` });
            if (batch.length) wire.send(...batch);
        };
        wire.send({ event: 'join', room, user: `publisher-${i}`, history: 0 });
        const done = () => wire.refused || (under_way === 0 && wire.joined && (sent >= total || until()));
        await wire.when(done, `publisher ${i}`, 120_000);
        assert.equal(wire.refused, undefined, JSON.stringify(wire.refused));
        return wire;
    };
    const wires = await Promise.all(Array.from({ length: publishers }, (_, i) => publish(i)));
    for (const wire of wires) wire.net.end(frame(CLOSE, '\x03\xe8'));
    return sent;
}
