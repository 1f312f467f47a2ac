// SPDX-License-Identifier: MIT
// Connections that break, over and over, in a room that goes on: each client
// tells the comments it has by `since`, and must end with all of them.
import assert from 'node:assert/strict';
import { INSTRUMENTED, scenario } from './harness.mjs';
import { flood, Wire } from './wire.mjs';

const CLIENTS = 50, CUTS = 20;
const SCALE = Number(process.env.ROOMCAST_TEST_SCALE || 1);
// A sanitizer makes a server ten times as slow; the storm is as wild, but shorter.
const COMMENTS = INSTRUMENTED && SCALE <= 1 ? 4_000 : 20_000;
const RING = 400;  // of about 150 bytes, so that the bound in bytes is not met

const SEED = Number(process.env.ROOMCAST_SEED || Date.now() % 1_000_000);

/** Mulberry32: the same numbers for the same seed, in [0, 1). */
function random_numbers(seed) {
    return () => {
        seed = (seed + 0x6d2b79f5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
    };
}

/** What the room said, from whoever heard it first; all others must have heard the same. */
class Truth {
    texts = [];
    last = 0;

    agrees({ seq, text }) {
        this.texts[seq] ??= text;
        this.last = Math.max(this.last, seq);
        return this.texts[seq] === text;
    }
}

class Survivor {
    hearing = { last: 0 };  // what it has
    paused = false;         // whether the room goes on without it
    read = () => {};        // called when others may go on
    cuts = 0;
    recovered = 0;
    forgotten = 0;  // joins whose position the room could not serve
    strangers = 0;  // joins with another epoch
    missed = 0;
    faults = [];
    epoch = undefined;

    constructor(server, truth, name, random) {
        Object.assign(this, { server, truth, name, random });
        // One cut at a random moment of each twentieth of the storm.
        this.moments = Array.from({ length: CUTS }, (_, i) => Math.floor(((i + random()) * COMMENTS) / CUTS) + 1);
    }

    get last() {
        return this.hearing.last;
    }
    set last(seq) {
        this.hearing.last = seq;
    }

    /** Until all was heard; `others.when` waits for the room to go on without it. */
    async live(others) {
        await this.#connect();
        while (this.last < COMMENTS) {
            await this.wire.when(() => this.cut || this.last >= COMMENTS, `${this.name} after ${this.last}`, 60_000);
            if (!this.cut) break;
            this.cut = false;
            // Mostly back at once, sometimes so late that the room has forgotten.
            const away = this.random() < 0.7 ? 0 : this.random() * 2 * RING;
            const back = Math.min(COMMENTS, this.truth.last + Math.floor(away));
            this.paused = away !== 0;
            this.read();
            await others.when(() => this.truth.last >= back, 'the room goes on', 60_000);
            await this.#connect();
            this.paused = false;
        }
    }

    async #connect() {
        const stranger = this.random() < 0.05;
        const since = this.epoch && { epoch: stranger ? '0123456789abcdef' : this.epoch, seq: this.last };
        let joined = false;
        const wire = await Wire.open(this.server, (bytes) => {
            const event = JSON.parse(bytes);
            if (event.event === 'joined') {
                joined = true;
                this.#joined(event, since, stranger);
            } else if (event.event === 'comment') {
                if (!joined) this.#fault('a comment before joined', event);
                this.#heard(event);
            } else if (event.event !== 'presence') {
                this.#fault('unexpected', event);
            }
        }, () => this.read());
        this.wire = wire;
        const join = { event: 'join', room: 'storm', user: this.name, resume: true };
        wire.send(since ? { ...join, since } : { ...join, history: 0 });
        // Some of the cuts hit a join that is under way.
        if (since && this.cuts < CUTS && this.random() < 0.05) this.#cut();
    }

    #joined(event, since, stranger) {
        this.epoch ??= event.epoch;
        if (event.epoch !== this.epoch) this.#fault('another epoch', event);
        if (!since) {
            this.last = event.seq;
            return;
        }
        const missing = event.seq - this.last;
        const kept = Math.min(RING, event.seq);
        const { history } = event;
        if (!event.was_recovering) this.#fault('was_recovering', event);
        if (event.recovered !== (!stranger && missing <= kept)) this.#fault(`recovered, ${missing} after ${this.last}`, event);
        const expected = event.recovered ? missing : kept;
        if (history.length !== expected) this.#fault(`a history of ${history.length}, not ${expected}`, event);
        if (history.some(({ seq }, i) => seq !== event.seq - history.length + 1 + i)) this.#fault('the order of history', event);
        if (stranger) ++this.strangers;
        else if (event.recovered) ++this.recovered;
        else ++this.forgotten;
        const lost = Math.max(0, missing - history.length);
        this.missed += lost;
        this.last += lost;
        for (const one of history) {
            if (one.seq > this.last) this.#heard(one);
            else if (!this.truth.agrees(one)) this.#fault('another text', one);
        }
        if (!this.cut && this.last !== event.seq) this.#fault(`at ${this.last} after joined`, event);
    }

    #heard(event) {
        if (this.cut) return;  // what came in the same read as the moment to cut
        if (event.seq !== this.last + 1) this.#fault(`after ${this.last}`, event);
        if (!this.truth.agrees(event)) this.#fault('another text', event);
        this.last = event.seq;
        if (this.cuts < CUTS && this.last >= this.moments[this.cuts]) this.#cut();
    }

    #cut() {
        ++this.cuts;
        this.cut = true;
        this.wire.reset();
    }

    #fault(what, event) {
        if (this.faults.length < 3) this.faults.push(`${this.name}: ${what}: ${JSON.stringify(event).slice(0, 300)}`);
    }
}

scenario(`${CLIENTS} clients, each cut ${CUTS} times in ${COMMENTS} comments, miss nothing (seed ${SEED})`,
    { limits: 'off', history: RING, 'max-devices': 0 }, async (server) => {
        const truth = new Truth();
        const began = performance.now();
        // Sees all of it, and keeps the room alive.
        let seen = 0;
        const witness = await Wire.open(server, (bytes) => {
            const event = JSON.parse(bytes);
            if (event.event === 'joined') witness.joined = true;
            if (event.event !== 'comment') return;
            if (event.seq !== ++seen || !truth.agrees(event)) witness.violations.push(`heard ${event.seq} as number ${seen}`);
        });
        witness.send({ event: 'join', room: 'storm', user: 'witness' });
        await witness.when(() => witness.joined, 'the witness joins');

        const survivors = Array.from({ length: CLIENTS },
            (_, i) => new Survivor(server, truth, `client-${i}`, random_numbers(SEED * 1_000 + i)));
        const storm = flood(server, 'storm', {
            total: COMMENTS, window: 8, text: (n) => `comment ${n}`, abreast: survivors, most: RING / 2,
        });
        await Promise.all([storm, ...survivors.map((survivor) => survivor.live(witness))]);
        await witness.when(() => seen === COMMENTS, 'the witness hears all');

        assert.deepEqual(survivors.flatMap((s) => s.faults), []);
        const sum = (field) => survivors.reduce((total, s) => total + s[field], 0);
        console.log(`seed ${SEED}: ${sum('cuts')} cuts, ${sum('recovered')} recovered, ${sum('forgotten')} came too late`
            + ` (${sum('missed')} comments), ${sum('strangers')} with another epoch;`
            + ` ${((performance.now() - began) / 1_000).toFixed(1)} s`);
        for (const survivor of survivors) {
            assert.equal(survivor.cuts, CUTS);
            assert.equal(survivor.last, COMMENTS);
        }
        assert.ok(sum('recovered') > (CLIENTS * CUTS) / 2, 'most came back in time');
        assert.ok(sum('forgotten') > 0 && sum('strangers') > 0, 'and some did not');
        assert.equal(new Set(truth.texts.slice(1)).size, COMMENTS, 'each comment was said once');
    }, { timeout: 120_000 });
