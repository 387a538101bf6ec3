/** Undoes the content encodings of a stored body; what was cut short is decoded as far as it came. */

import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from "node:zlib"
import { Fault, reasonOf } from "../../contract/fault.ts"

/** Bodies of model APIs are far smaller; a bomb is not unpacked. */
const MAX_DECODED_BYTES = 128 * 1024 * 1024

/** Fault `transcript/bad-encoding` for an encoding that is unknown, broken or a bomb. */
export function decodeBody(body: Buffer, contentEncoding: string | null): Buffer {
  const encodings = (contentEncoding ?? "")
    .toLowerCase()
    .split(",")
    .map((one) => one.trim())
  return encodings.filter((one) => one !== "").reduceRight(decodeOne, body)
}

function decodeOne(body: Buffer, encoding: string): Buffer {
  try {
    return inflateBy(body, encoding)
  } catch (thrown) {
    throw new Fault("transcript/bad-encoding", `content-encoding ${encoding}: ${reasonOf(thrown)}`, {
      cause: thrown,
    })
  }
}

function inflateBy(body: Buffer, encoding: string): Buffer {
  const maxOutputLength = MAX_DECODED_BYTES
  const zlib = { maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH }
  switch (encoding) {
    case "identity":
      return body
    case "gzip":
    case "x-gzip":
      return gunzipSync(body, zlib)
    case "deflate":
      // RFC 9110 means zlib's format, but some send it raw; zlib's begins with 8 in the low nibble
      return ((body[0] ?? 8) & 0x0f) === 8 ? inflateSync(body, zlib) : inflateRawSync(body, zlib)
    case "br":
      return brotliDecompressSync(body, { maxOutputLength, finishFlush: constants.BROTLI_OPERATION_FLUSH })
    case "zstd":
      return zstdDecompressSync(body, { maxOutputLength, finishFlush: constants.ZSTD_e_flush })
    default:
      throw new Error("unknown")
  }
}
