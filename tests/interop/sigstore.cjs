// Verifies a Sigstore bundle with a public key, and that the archive is the statement's subject.
//
//   node sigstore.cjs BUNDLE PUBLIC_KEY ARCHIVE
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity } = require('@sigstore/verify');

const [bundleFile, keyFile, archiveFile] = process.argv.slice(2);
const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(bundleFile, 'utf8')));
const publicKey = crypto.createPublicKey(fs.readFileSync(keyFile));
const material = {
  certificateAuthorities: [],
  timestampAuthorities: [],
  tlogs: [],
  ctlogs: [],
  publicKey: () => ({ publicKey, validFor: () => true }),
};
// The registry's own log proves inclusion; a bundle of a self-managed key carries no entry of Rekor.
const verifier = new Verifier(material, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
verifier.verify(toSignedEntity(bundle));

const statement = JSON.parse(bundle.content.dsseEnvelope.payload.toString('utf8'));
const digest = crypto.createHash('sha256').update(fs.readFileSync(archiveFile)).digest('hex');
if (statement.subject.length !== 1 || statement.subject[0].digest.sha256 !== digest) {
  throw new Error(`the statement is about ${statement.subject[0].digest.sha256}, the archive is ${digest}`);
}
