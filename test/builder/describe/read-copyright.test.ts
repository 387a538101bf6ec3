import { describe, expect, it } from "vitest"
import { readCopyrightLicenses } from "../../../builder/describe/read-copyright.ts"

describe("the licences of a copyright file", () => {
  it("are those that its paragraphs about files name, each once", () => {
    const text = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: something
License: GPL-3+

Files: *
Copyright: 2001 Somebody
License: GPL-3+
 This is free software
 .
 License: not one

Files: debian/*
Copyright: 2002 Another
license: Expat
 Permission is hereby granted
   \t
Files: lib/*
Copyright: 2003 A third
License: GPL-1+ or Artistic

License: BSD-3-clause
 nobody names it
`
    expect(readCopyrightLicenses(text)).toEqual(["GPL-3+", "Expat", "GPL-1+ or Artistic"])
  })

  it("are none when it is prose", () => {
    expect(
      readCopyrightLicenses("This package was made by Somebody.\n\nLicense: GPL\n\nFiles: *\nLicense: X"),
    ).toEqual([])
    expect(readCopyrightLicenses("")).toEqual([])
  })
})
