/** A certificate authority of a test's own, made by openssl. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../../src/base/process/process.js';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Files `<name>.pem` and `<name>.key` below `directory`; `ca` is made at the first call. */
export class CertificateAuthority {
  readonly ca: string;

  private constructor(readonly directory: string) {
    this.ca = path.join(directory, 'ca.pem');
  }

  static async create(directory: string): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(directory);
    await openssl([
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', path.join(directory, 'ca.key'), '-out', authority.ca],
      ...['-days', '2', '-subj', '/CN=test authority'],
    ]);
    return authority;
  }

  /** For servers and clients alike; `names` are DNS names or IP addresses. */
  async issue(name: string, names: readonly string[]): Promise<Certificate> {
    const at = (suffix: string): string => path.join(this.directory, `${name}.${suffix}`);
    const alternatives = names.map((each) => `${/^[\d.]+$/.test(each) ? 'IP' : 'DNS'}:${each}`);
    await writeFile(at('ext'), `subjectAltName=${alternatives.join(',')}\n`);
    await openssl([
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', at('key'), '-out', at('csr'), '-subj', `/CN=${name}`],
    ]);
    await openssl([
      ...['x509', '-req', '-in', at('csr'), '-CA', this.ca, '-CAcreateserial'],
      ...['-CAkey', path.join(this.directory, 'ca.key'), '-out', at('pem'), '-days', '2'],
      ...['-extfile', at('ext')],
    ]);
    return { cert: at('pem'), key: at('key') };
  }
}

async function openssl(args: readonly string[]): Promise<void> {
  await runCommand('openssl', args);
}
