// Hashes files on the reader's machine: MD5, SHA-1, SHA-256 of all bytes as they stream, PDQ of images. Nothing is sent. It
// runs as a worker of the look-up page.
//
// PDQ is written by hand, not compiled from Go to WebAssembly: that would be two megabytes to load for 150 lines. It keeps
// the order and the rounding to single precision of node/hashing/pdq, and is tested against the same vectors.
const f = Math.fround;

// --- digests, block by block

class Digest {
  constructor(words, step, little) { Object.assign(this, { words, step, little, rest: new Uint8Array(64), have: 0, length: 0 }); }
  update(b) {
    this.length += b.length;
    let i = 0;
    if (this.have) {
      i = Math.min(64 - this.have, b.length);
      this.rest.set(b.subarray(0, i), this.have);
      this.have += i;
      if (this.have < 64) return;
      this.step(this.words, new DataView(this.rest.buffer), 0);
      this.have = 0;
    }
    const view = new DataView(b.buffer, b.byteOffset, b.length);
    for (; i + 64 <= b.length; i += 64) this.step(this.words, view, i);
    this.rest.set(b.subarray(i));
    this.have = b.length - i;
  }
  hex() {
    const n = this.length, pad = new Uint8Array((this.have < 56 ? 56 : 120) - this.have + 8);
    pad[0] = 0x80;
    const v = new DataView(pad.buffer), hi = Math.floor(n / 0x20000000), lo = (n << 3) >>> 0;
    v.setUint32(pad.length - 8, this.little ? lo : hi, this.little);
    v.setUint32(pad.length - 4, this.little ? hi : lo, this.little);
    this.update(pad);
    const out = new DataView(new ArrayBuffer(this.words.length * 4));
    this.words.forEach((w, i) => out.setUint32(i * 4, w, this.little));
    return hex(new Uint8Array(out.buffer));
  }
}
const hex = b => Array.from(b, x => x.toString(16).padStart(2, '0')).join('');
const rol = (x, n) => (x << n) | (x >>> (32 - n));

const md5K = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 4294967296) | 0);
const md5R = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
function md5Block(h, v, at) {
  let a = h[0], b = h[1], c = h[2], d = h[3];
  for (let i = 0; i < 64; i++) {
    const round = i >> 4;
    let x, g;
    if (round === 0) { x = (b & c) | (~b & d); g = i; } else if (round === 1) { x = (d & b) | (~d & c); g = (5 * i + 1) & 15; } else if (round === 2) { x = b ^ c ^ d; g = (3 * i + 5) & 15; } else { x = c ^ (b | ~d); g = (7 * i) & 15; }
    const t = (a + x + md5K[i] + v.getInt32(at + g * 4, true)) | 0;
    a = d; d = c; c = b;
    b = (b + rol(t, md5R[round * 4 + (i & 3)])) | 0;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d;
}
const w1 = new Int32Array(80);
function sha1Block(h, v, at) {
  for (let i = 0; i < 16; i++) w1[i] = v.getInt32(at + i * 4);
  for (let i = 16; i < 80; i++) w1[i] = rol(w1[i - 3] ^ w1[i - 8] ^ w1[i - 14] ^ w1[i - 16], 1);
  let [a, b, c, d, e] = h;
  for (let i = 0; i < 80; i++) {
    const [x, k] = i < 20 ? [(b & c) | (~b & d), 0x5a827999] : i < 40 ? [b ^ c ^ d, 0x6ed9eba1] : i < 60 ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc] : [b ^ c ^ d, 0xca62c1d6];
    const t = (rol(a, 5) + x + e + k + w1[i]) | 0;
    e = d; d = c; c = rol(b, 30); b = a; a = t;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
}
// The constants of SHA-256 are the fractions of cube roots of primes; they are computed with integers, exactly.
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every(p => n % p)) primes.push(n);
function root(p, power) { // the first 32 bits of the fraction of the root
  let lo = 0n, hi = 1n << 40n;
  const target = BigInt(p) << BigInt(32 * power);
  while (hi - lo > 1n) { const m = (lo + hi) >> 1n; if (m ** BigInt(power) <= target) lo = m; else hi = m; }
  return Number(BigInt.asIntN(32, lo));
}
const sha256K = Int32Array.from(primes, p => root(p, 3));
const w2 = new Int32Array(64);
function sha256Block(h, v, at) {
  for (let i = 0; i < 16; i++) w2[i] = v.getInt32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const x = w2[i - 15], y = w2[i - 2];
    w2[i] = (w2[i - 16] + (rol(x, 25) ^ rol(x, 14) ^ (x >>> 3)) + w2[i - 7] + (rol(y, 15) ^ rol(y, 13) ^ (y >>> 10))) | 0;
  }
  let [a, b, c, d, e, g, k, l] = h;
  for (let i = 0; i < 64; i++) {
    const t1 = (l + (rol(e, 26) ^ rol(e, 21) ^ rol(e, 7)) + ((e & g) ^ (~e & k)) + sha256K[i] + w2[i]) | 0;
    const t2 = ((rol(a, 30) ^ rol(a, 19) ^ rol(a, 10)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    l = k; k = g; g = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += g; h[6] += k; h[7] += l;
}
export const digests = () => ({
  md5: new Digest(Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476), md5Block, true),
  sha1: new Digest(Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0), sha1Block, false),
  sha256: new Digest(Int32Array.from(primes.slice(0, 8), p => root(p, 2)), sha256Block, false),
});

// --- PDQ

const cells = 64, side = 16;
const windowOf = n => Math.floor((n + 2 * cells - 1) / (2 * cells));
const half = w => Math.floor((w + 2) / 2);

// box filters n values, a stride apart, as the reference does: a sum that grows, slides and shrinks.
function box(out, in_, at, stride, n, w) {
  let sum = 0, count = 0, o = at, i = at, left = at;
  const ahead = half(w) - 1;
  for (let k = 0; k < ahead; k++, i += stride) { sum = f(sum + in_[i]); count++; }
  for (let k = ahead; k < w; k++, i += stride, o += stride) { sum = f(sum + in_[i]); count++; out[o] = sum / count; }
  for (let k = w; k < n; k++, i += stride, o += stride, left += stride) { sum = f(sum + in_[i]); sum = f(sum - in_[left]); out[o] = sum / count; }
  for (let k = 0; k < ahead; k++, o += stride, left += stride) { sum = f(sum - in_[left]); count--; out[o] = sum / count; }
}

const cosines = (() => {
  const scale = f(Math.sqrt(2 / cells)), m = [];
  for (let i = 0; i < side; i++) m.push(Float32Array.from({ length: cells }, (_, j) => scale * Math.cos(Math.PI / 2 / cells * (i + 1) * (2 * j + 1))));
  return m;
})();

// pdq returns the hash of rows of luminance, 0 to 255 in single precision, and its quality.
export function pdq(luma, width, height) {
  if (width < 5 || height < 5) return null;
  let image = luma;
  if (width !== cells || height !== cells) {
    const a = Float32Array.from(luma), b = new Float32Array(width * height), wx = windowOf(width), wy = windowOf(height);
    for (let pass = 0; pass < 2; pass++) {
      for (let y = 0; y < height; y++) box(b, a, y * width, 1, width, wx);
      for (let x = 0; x < width; x++) box(a, b, x, width, height, wy);
    }
    image = new Float32Array(cells * cells);
    for (let i = 0; i < cells; i++) {
      const y = Math.floor((2 * i + 1) * height / (2 * cells));
      for (let j = 0; j < cells; j++) image[i * cells + j] = a[y * width + Math.floor((2 * j + 1) * width / (2 * cells))];
    }
  }
  let gradient = 0;
  const steps = (u, v) => Math.abs(Math.trunc(f(f(f(u - v) * 100) / 255)));
  for (let i = 0; i < cells; i++) for (let j = 0; j < cells; j++) {
    const v = image[i * cells + j];
    if (i + 1 < cells) gradient += steps(v, image[(i + 1) * cells + j]);
    if (j + 1 < cells) gradient += steps(v, image[i * cells + j + 1]);
  }
  const out = new Float32Array(side * side);
  for (let i = 0; i < side; i++) {
    const line = new Float32Array(cells);
    for (let k = 0; k < cells; k++) for (let j = 0; j < cells; j++) line[j] = line[j] + f(cosines[i][k] * image[k * cells + j]);
    for (let j = 0; j < side; j++) {
      let sum = 0;
      for (let k = 0; k < cells; k++) sum = f(sum + f(line[k] * cosines[j][k]));
      out[i * side + j] = sum;
    }
  }
  const middle = Float32Array.from(out).sort()[side * side / 2 - 1], hash = new Uint8Array(32);
  out.forEach((c, i) => { if (c > middle) hash[31 - (i >> 3)] |= 1 << (i & 7); });
  return { hash: hex(hash), quality: Math.min(Math.floor(gradient / 90), 100) };
}

const maxPixels = 64e6; // an image beyond has no PDQ here: it would take a gigabyte

async function pdqOf(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: 'none', premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  } catch { return null; } // no image, or none that this browser reads
  const { width, height } = picture;
  try {
    if (width * height > maxPixels) return null;
    const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.drawImage(picture, 0, 0);
    const rgba = pen.getImageData(0, 0, width, height).data, luma = new Float32Array(width * height);
    const [r, g, b] = [f(0.299), f(0.587), f(0.114)];
    for (let i = 0, p = 0; i < luma.length; i++, p += 4) luma[i] = f(f(r * rgba[p]) + f(g * rgba[p + 1])) + f(b * rgba[p + 2]);
    return pdq(luma, width, height);
  } finally { picture.close(); }
}

async function hashFile(file, n) {
  const all = digests(), reader = file.stream().getReader();
  for (let done = 0; ;) {
    const { value, done: end } = await reader.read();
    if (end) break;
    for (const d of Object.values(all)) d.update(value);
    done += value.length;
    postMessage({ n, done, size: file.size });
  }
  const line = Object.entries(all).map(([name, d]) => name + ':' + d.hex());
  const p = /^video\//.test(file.type) ? null : await pdqOf(file);
  if (p) line.push('pdq:' + p.hash + ':' + p.quality);
  postMessage({ n, line: line.join(' '), quality: p?.quality });
}

if (typeof WorkerGlobalScope !== 'undefined' && self instanceof WorkerGlobalScope) {
  let queue = Promise.resolve();
  onmessage = e => {
    const { file, n } = e.data;
    queue = queue.then(() => hashFile(file, n)).catch(() => postMessage({ n, failed: true }));
  };
}
