// A client in Node with no module but its own: client.js DIRECTORY.
'use strict';
const assert = require('assert');
const fs = require('fs');

process.chdir(process.argv[2]);

const run = (...lines) => fs.writeFileSync('run', lines.join('\n') + '\n');

function ask(line) {
  const fd = fs.openSync('run', 'r+');
  try {
    fs.writeSync(fd, line + '\n');
    const buf = Buffer.alloc(4096);
    return buf.toString('utf8', 0, fs.readSync(fd, buf)).trim();
  } finally {
    fs.closeSync(fd);
  }
}

// Typed arrays are buffers.
const x = Float64Array.from({ length: 1000 }, (_, i) => i);
fs.writeFileSync('buffers/node.bin', Buffer.from(x.buffer));
assert.strictEqual(ask('sum node.bin:f64'), '499500.0');
run('map "y = sqrt(x)" x=node.bin:f64:1000 y=root.bin');
const bytes = fs.readFileSync('buffers/root.bin');
const y = new Float64Array(bytes.buffer, bytes.byteOffset, 1000);
x.forEach((v, i) => assert.strictEqual(y[i], Math.sqrt(v)));

assert.throws(() => run('bogus'), { code: 'EINVAL' });
assert.throws(() => run('sum nosuch.npy'), { code: 'ENOENT' });
assert.throws(() => run('fault bad.bin'), { code: 'EIO' });
assert.throws(() => fs.readFileSync('buffers/bad.bin'), { code: 'EIO' });
fs.unlinkSync('buffers/bad.bin');
assert.match(fs.readFileSync('errors', 'utf8'), /unknown verb bogus\n  bogus\n  \^~~~~\n/);
JSON.parse(fs.readFileSync('trace', 'utf8'));

// Many commands at once, without blocking the event loop.
async function main() {
  await Promise.all(Array.from({ length: 20 }, (_, i) => fs.promises.writeFile('run', `fill n${i}.npy:i32:10 value=${i}\n`)));
  for (let i = 0; i < 20; i++) assert.strictEqual(ask(`sum n${i}.npy`), String(10 * i));
  await fs.promises.mkdir('queues/node');
  await fs.promises.appendFile('queues/node/ctl', 'nop\nnop\n');
  assert.strictEqual(await fs.promises.readFile('queues/node/wait', 'utf8'), '');
  const log = (await fs.promises.readFile('queues/node/log', 'utf8')).trim().split('\n').map((l) => JSON.parse(l));
  assert.deepStrictEqual(log.map((j) => [j.cmd, j.state]), [['nop', 'done'], ['nop', 'done']]);
  assert.deepStrictEqual((await fs.promises.readdir('queues/node/jobs')).length, 2);
  await fs.promises.rmdir('queues/node');
  await fs.promises.copyFile('buffers/node.bin', 'buffers/copied.bin');
  assert.ok(fs.readFileSync('buffers/copied.bin').equals(fs.readFileSync('buffers/node.bin')));
  // A stream, as most of Node reads files.
  let n = 0;
  for await (const part of fs.createReadStream('buffers/copied.bin', { start: 80, end: 7999 })) n += part.length;
  assert.strictEqual(n, 7920);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
