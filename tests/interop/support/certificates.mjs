// Certificates as @bsv/sdk issues them, and wallets that hold them.

import { randomBytes } from 'node:crypto'
import { MasterCertificate, PrivateKey, ProtoWallet } from '@bsv/sdk'

import { Party } from './clients.mjs'

export const TYPE = randomBytes(32).toString('base64')

/** The certifier. */
export class Certifier {
  constructor () {
    this.privateKey = PrivateKey.fromRandom()
    this.wallet = new ProtoWallet(this.privateKey)
    this.key = this.privateKey.toPublicKey().toString()
  }

  async issue (subject, fields) {
    return await MasterCertificate.issueCertificateForSubject(this.wallet, subject, fields, TYPE)
  }
}

/** A wallet that holds certificates. A brash one shows them to every verifier. */
class CertifiedWallet extends ProtoWallet {
  constructor (privateKey, certificates, brash) {
    super(privateKey)
    this.certificates = certificates
    this.brash = brash
  }

  async listCertificates ({ certifiers, types }) {
    const certificates = this.certificates.filter(one =>
      this.brash || (certifiers.includes(one.certifier) && types.includes(one.type)))
    return { totalCertificates: certificates.length, certificates }
  }

  async proveCertificate ({ certificate, fieldsToReveal, verifier }) {
    const { certifier, fields, masterKeyring, serialNumber } = certificate
    return {
      keyringForVerifier: await MasterCertificate.createKeyringForVerifier(
        this, certifier, verifier, fields, fieldsToReveal, masterKeyring, serialNumber)
    }
  }
}

/** A party whose wallet holds a certificate of this certifier, or none. */
export async function holder (certifier, fields, brash = false) {
  const party = new Party()
  const certificates = certifier ? [await certifier.issue(party.key, fields)] : []
  party.wallet = new CertifiedWallet(party.privateKey, certificates, brash)
  return party
}
