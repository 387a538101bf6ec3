/** A program of 200 bytes that makes any system call it is told: what an image without compiler and Perl lacks. */

/** x86-64 Linux, static; its page of 4096 bytes holds number, six arguments and data, and comes back with the result. */
export function renderSyscallProgram(): Buffer {
  const code = Buffer.from(CODE.replace(/#.*$/gm, "").replace(/\s+/g, ""), "hex")
  const entry = LOAD_ADDRESS + HEADER_BYTES
  const text = segment({
    flags: 5,
    address: LOAD_ADDRESS,
    fileBytes: HEADER_BYTES + code.length,
    memoryBytes: HEADER_BYTES + code.length,
  })
  const page = segment({ flags: 6, address: PAGE_ADDRESS, fileBytes: 0, memoryBytes: PAGE_BYTES })
  return Buffer.concat([elfHeader(entry), text, page, code])
}

const LOAD_ADDRESS = 0x400000
const PAGE_ADDRESS = 0x600000
const PAGE_BYTES = 4096
/** The file's header and two of segments. */
const HEADER_BYTES = 64 + 2 * 56

const CODE = `
45 31 e4                    # next:  xor r12d, r12d
31 ff                       # more:  xor edi, edi
49 8d b4 24 00 00 60 00     #        lea rsi, [r12 + page]
ba 00 10 00 00 44 29 e2     #        mov edx, 4096; sub edx, r12d
31 c0 0f 05                 #        read
48 85 c0 7e 44              #        test rax, rax; jle end
49 01 c4                    #        add r12, rax
41 81 fc 00 10 00 00 7c d9  #        cmp r12d, 4096; jl more
bb 00 00 60 00              #        mov ebx, page
48 8b 03                    #        mov rax, [rbx]
48 8b 7b 08 48 8b 73 10     #        mov rdi, [rbx+8]; mov rsi, [rbx+16]
48 8b 53 18 4c 8b 53 20     #        mov rdx, [rbx+24]; mov r10, [rbx+32]
4c 8b 43 28 4c 8b 4b 30     #        mov r8, [rbx+40]; mov r9, [rbx+48]
0f 05 48 89 03              #        syscall; mov [rbx], rax
bf 01 00 00 00 48 89 de     #        mov edi, 1; mov rsi, rbx
ba 00 10 00 00 89 f8 0f 05  #        mov edx, 4096; write
eb 9e                       #        jmp next
31 ff b8 3c 00 00 00 0f 05  # end:   exit(0)
`

function elfHeader(entry: number): Buffer {
  const header = Buffer.alloc(64)
  // 64 bits, little-endian, version 1
  Buffer.from("7f454c46020101", "hex").copy(header)
  header.writeUInt16LE(2, 16) // an executable
  header.writeUInt16LE(62, 18) // for x86-64
  header.writeUInt32LE(1, 20)
  header.writeBigUInt64LE(BigInt(entry), 24)
  header.writeBigUInt64LE(64n, 32) // where the segments' headers stand
  header.writeUInt16LE(64, 52)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(2, 56)
  return header
}

interface Segment {
  readonly flags: number
  readonly address: number
  readonly fileBytes: number
  readonly memoryBytes: number
}

function segment({ flags, address, fileBytes, memoryBytes }: Segment): Buffer {
  const header = Buffer.alloc(56)
  header.writeUInt32LE(1, 0) // to be loaded
  header.writeUInt32LE(flags, 4)
  header.writeBigUInt64LE(0n, 8)
  header.writeBigUInt64LE(BigInt(address), 16)
  header.writeBigUInt64LE(BigInt(address), 24)
  header.writeBigUInt64LE(BigInt(fileBytes), 32)
  header.writeBigUInt64LE(BigInt(memoryBytes), 40)
  header.writeBigUInt64LE(4096n, 48)
  return header
}
