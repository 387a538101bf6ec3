/** Validators for both kinds of bills of material. */

import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Ajv, type AnySchema, type ValidateFunction } from "ajv"
import formats from "ajv-formats"
import { spdxSchema } from "./spdx-schema.ts"

const require = createRequire(import.meta.url)
/** The schemas as CycloneDX publishes them, out of its own library's package. */
const SCHEMAS = join(dirname(require.resolve("@cyclonedx/cyclonedx-library/package.json")), "res/schema")

export function compileCycloneDx(): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addFormat("iri-reference", true)
  ajv.addFormat("idn-email", true)
  for (const name of ["spdx", "jsf-0.82", "cryptography-defs"]) {
    ajv.addSchema(schemaOf(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`)
  }
  return ajv.compile(schemaOf("bom-1.6"))
}

export function compileSpdx(): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  return ajv.compile(spdxSchema)
}

function schemaOf(name: string): AnySchema {
  return JSON.parse(readFileSync(join(SCHEMAS, `${name}.SNAPSHOT.schema.json`), "utf8"))
}
