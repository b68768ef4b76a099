// Node's @aws-sdk/client-s3, driven by the same lines of JSON as the workers in Python.
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const place = JSON.parse((await lines.next()).value);
const client = new S3Client({
  endpoint: place.endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: place.access_key, secretAccessKey: place.secret_key },
  ...(place.path_style ? { forcePathStyle: true } : {}),
});

async function fetched(input, path) {
  const { Body } = await client.send(new GetObjectCommand(input));
  await pipeline(Body, createWriteStream(path));
}

const operations = {
  async put({ bucket, key, path }) {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(path) }));
  },
  async get({ bucket, key, path }) {
    await fetched({ Bucket: bucket, Key: key }, path);
  },
  async range({ bucket, key, path, first, last }) {
    await fetched({ Bucket: bucket, Key: key, Range: `bytes=${first}-${last}` }, path);
  },
  async list({ bucket }) {
    const keys = [];
    for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket }))
      keys.push(...(page.Contents ?? []).map((each) => each.Key));
    return keys;
  },
  async delete({ bucket, key }) {
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  },
  async copy({ bucket, key, target }) {
    const CopySource = `${bucket}/${encodeURIComponent(key)}`;
    await client.send(new CopyObjectCommand({ Bucket: bucket, Key: target, CopySource }));
  },
  async multipart({ bucket, key, path }) {
    const params = { Bucket: bucket, Key: key, Body: createReadStream(path) };
    await new Upload({ client, params }).done();
  },
  async presign_get({ bucket, key }) {
    return getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }));
  },
  async presign_put({ bucket, key }) {
    return getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: key }));
  },
};

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

say({ version: createRequire(import.meta.url)("@aws-sdk/client-s3/package.json").version });
for await (const line of lines) {
  const { op, ...input } = JSON.parse(line);
  try {
    if (!operations[op]) say({ unsupported: "has no such call" });
    else say({ value: (await operations[op](input)) ?? null });
  } catch (error) {
    say({ error: `${error.name}: ${error.message}` });
  }
}
