// The receiving half of a linkage centre in JavaScript, made from asyncapi.json alone. Node 18 or newer, no packages; mosquitto_sub and
// mosquitto_pub carry the bytes.
//
//   node receive.mjs --port 1883 --key centre.jwk --trust trust.json [--host 127.0.0.1] [--asyncapi asyncapi.json]
//
// centre.jwk: private key {kty, crv, x, d, kid, by}; trust.json: {"keys": [{"source", "kid", "x"}]}, the gateways that were enrolled.
// One line of JSON for each event. An example: it keeps nothing, so it must not be the only centre of a school.
import { spawn } from "node:child_process";
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values: given } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "1883" },
    key: { type: "string" },
    trust: { type: "string" },
    asyncapi: { type: "string", default: join(here, "asyncapi.json") },
  },
});
const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));
const api = readJson(given.asyncapi);
const own = readJson(given.key);
const enrolled = new Map(readJson(given.trust).keys.map((key) => [`${key.source} ${key.kid}`, key.x]));

// --- what the document says --------------------------------------------------------------------
const schemas = api.components.schemas;
const topicOf = (channel, names) => channel.address.replace(/\{(\w+)\}/g, (_, name) => names[name] ?? "+");
const pattern = new RegExp("^" + api.channels.event.address.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)") + "$");
const receiptHeader = api.components.messages.receipt["x-jws-header"];
const kinds = new Map(); // type -> name of the schema of its data
for (const message of Object.values(api.channels.event.messages)) {
  const [, part] = api.components.messages[message.$ref.split("/").pop()].payload.allOf;
  for (const type of part.properties.type.enum) kinds.set(type, part.properties.data.$ref.split("/").pop());
}

// RFC 8785: JSON.stringify writes numbers and strings that way; only the order of members is left to do.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort(); // by UTF-16 code units, as the RFC asks
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

/** Throws with the reason when the event is not genuine. */
function checkGenuine(event, text, names) {
  if (event.source !== `/sites/${names.site}/gateways/${names.gateway}`) throw new Error("source does not fit the topic");
  if (canonical(event) !== text) throw new Error("the payload is not its canonical form");
  const { signature, ...rest } = event;
  const match = /^([\w-]+)\.\.([\w-]+)$/.exec(signature ?? "");
  if (!match) throw new Error("no detached signature");
  const header = JSON.parse(Buffer.from(match[1], "base64url").toString("utf8"));
  const x = enrolled.get(`${event.source} ${header.kid}`);
  if (header.alg !== "EdDSA" || "typ" in header || !x) throw new Error(`no enrolled key ${header.kid}`);
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const signed = Buffer.from(`${match[1]}.${base64url(canonical(rest))}`);
  if (!verify(null, signed, key, Buffer.from(match[2], "base64url"))) throw new Error("the signature does not hold");
}

/** Members that the document requires and that are not there. */
function missing(event) {
  const required = (name, value) => (schemas[name]?.required ?? []).filter((member) => !(member in value));
  const kind = kinds.get(event.type); // a type of a later 1.x has none: it is taken all the same
  return [...required("envelope", event), ...(kind ? required(kind, event.data ?? {}) : [])];
}

function receipt(event, sha256, reason) {
  const header = base64url(JSON.stringify({ ...receiptHeader, kid: own.kid }));
  const result = reason ? "unusable" : "received";
  const items = [{ id: event.id, sha256 }];
  const payload = base64url(canonical({ by: own.by, at: new Date().toISOString(), gateway: event.source, items, result, reason }));
  const key = createPrivateKey({ key: own, format: "jwk" });
  return `${header}.${payload}.${base64url(sign(null, Buffer.from(`${header}.${payload}`), key))}`;
}

// --- the wire -----------------------------------------------------------------------------------
const mosquitto = ["-h", given.host, "-p", given.port, "-V", "mqttv5", "-q", "1"];
const session = ["-c", "-x", "4294967295", "-i", `receive-${own.by}`]; // the broker keeps what comes while this is down
const subscriber = spawn("mosquitto_sub", [...mosquitto, ...session, "-t", topicOf(api.channels.event, {}), "-F", "%t %x"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const publishers = new Map(); // topic -> one publisher, a line of standard input for each receipt

function publish(topic, line) {
  if (!publishers.has(topic)) {
    publishers.set(topic, spawn("mosquitto_pub", [...mosquitto, "-t", topic, "-l"], { stdio: ["pipe", "ignore", "inherit"] }));
  }
  publishers.get(topic).stdin.write(`${line}\n`);
}

function take(topic, body) {
  const names = pattern.exec(topic)?.groups;
  if (!names) return;
  const text = body.toString("utf8");
  const line = { class: names.class };
  try {
    const event = JSON.parse(text);
    checkGenuine(event, text, names);
    const lacking = missing(event);
    const sha256 = createHash("sha256").update(body).digest("hex");
    Object.assign(line, { id: event.id, type: event.type, known: kinds.has(event.type), subject: event.subject, lacking });
    publish(topicOf(api.channels.receipt, names), receipt(event, sha256, lacking.length ? `no ${lacking.join(", ")}` : ""));
  } catch (problem) {
    line.refused = String(problem.message ?? problem);
  }
  console.log(JSON.stringify(line));
}

createInterface({ input: subscriber.stdout }).on("line", (line) => {
  const [topic, hex] = line.split(" ");
  take(topic, Buffer.from(hex, "hex"));
});
subscriber.on("exit", (code) => process.exit(code ?? 1));
for (const name of ["SIGINT", "SIGTERM"]) {
  process.on(name, () => {
    for (const child of [subscriber, ...publishers.values()]) child.kill();
    process.exit(0);
  });
}
