/** Tar archives byte by byte, for what GNU tar would not write. */

export interface RawMember {
  readonly name: string;
  readonly flag?: string;
  readonly link?: string;
  readonly content?: Buffer;
  /** Records of a pax header before it. */
  readonly pax?: Readonly<Record<string, string>>;
  /** A GNU long name before it. */
  readonly longName?: string;
  /** A global pax header before it. */
  readonly global?: Readonly<Record<string, string>>;
}

export function buildTar(members: readonly RawMember[]): Buffer {
  const blocks: Buffer[] = [];
  for (const member of members) {
    if (member.global !== undefined)
      blocks.push(...block('pax_global', 'g', '', paxRecords(member.global)));
    if (member.pax !== undefined)
      blocks.push(...block('PaxHeaders/x', 'x', '', paxRecords(member.pax)));
    if (member.longName !== undefined) {
      blocks.push(...block('././@LongLink', 'L', '', Buffer.from(`${member.longName}\0`)));
    }
    blocks.push(
      ...block(
        member.name,
        member.flag ?? '0',
        member.link ?? '',
        member.content ?? Buffer.alloc(0),
      ),
    );
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function paxRecords(records: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const body = Buffer.from(` ${key}=${value}\n`);
      let length = body.length + 1;
      while (String(length).length + body.length !== length)
        length = String(length).length + body.length;
      return Buffer.concat([Buffer.from(String(length)), body]);
    }),
  );
}

function block(name: string, flag: string, link: string, content: Buffer): Buffer[] {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(flag, 156, 1);
  header.write(link, 157, 100);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
}
