import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openNpmRegistry } from "../fakes/npm-registry.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { openPythonIndex, type PythonIndex } from "../fakes/python-index.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

const stack = new AsyncDisposableStack()
let home: TestHome
let index: PythonIndex

beforeAll(async () => {
  index = stack.use(await openPythonIndex("greeter", "hello from a wheel", "https://files.pythonhosted.org"))
  const registry = stack.use(await openNpmRegistry(["left-pad"], "https://registry.npmjs.org"))
  const prompt = "Check the repository."
  const make = { name: "bash", input: { command: "cd ~/work && make check" } }
  const script = [{ text: "I check.", tool: make }, { text: "The check passes." }]
  const provider = stack.use(await openFakeProvider({ scripts: [{ prompt, script }] }))
  const upstream = (host: string, url: string) =>
    `[[upstream]]\nhost = "${host}"\nurl = "${url}"\nwhy = "a fake for this test"\n`
  home = stack.use(
    openTestHome(
      [
        `[providers.openai]\nkey = "planted-real-key-of-the-test"\nupstream = "${provider.url}"\n`,
        upstream("pypi.org", index.url),
        upstream("files.pythonhosted.org", index.url),
        upstream("registry.npmjs.org", registry.url),
      ].join("\n"),
    ),
  )
})
afterAll(() => stack.disposeAsync())

/** Runs a script in a machine as its agent; its output, which must come with exit code 0. */
async function shell(machine: string, script: string): Promise<string> {
  return (await home.must(["exec", machine, "--", "bash", "-euc", script])).stdout
}

describe("the python image", () => {
  beforeAll(async () => {
    await home.must(["build", "python", "--relock"], { timeoutMs: 800_000 })
    await home.must(["up", "--image", "python", "--name", "snake"])
  })
  afterAll(() => home.must(["rm", "-f", "snake"]))

  it("makes an environment without the network, and installs into it from the one index that it may reach", async () => {
    const script = `
      python3 -m venv ~/venv
      ~/venv/bin/pip install --quiet greeter
      ~/venv/bin/python -c 'import greeter; print(greeter.hello())'`
    expect(await shell("snake", script)).toBe("hello from a wheel\n")
    expect(index.requests).toContainEqual(
      expect.stringMatching(/^GET \/packages\/.*greeter-1\.0-py3-none-any\.whl$/),
    )
    const denied = await home.json(["egress", "denied", "snake"])
    expect(denied).toEqual([])
  })

  it("installs for the agent when it types pip without an environment, as the root is read-only", async () => {
    expect(
      await shell(
        "snake",
        "pip install --quiet greeter; python3 -c 'import greeter; print(greeter.__file__)'",
      ),
    ).toMatch(/^\/home\/agent\/\.local\/lib\/python3\.\d+\/site-packages\/greeter\.py\n$/)
  })

  it("does a small job with what the standard library has: a table, a hash, a database, threads, TLS", async () => {
    const program = `
import csv, hashlib, io, json, os, sqlite3, ssl, zlib, lzma, bz2, ctypes, asyncio, datetime, zoneinfo, decimal, pip
from concurrent.futures import ThreadPoolExecutor
db = sqlite3.connect(":memory:")
db.execute("create table cost (who text, usd real)")
rows = list(csv.reader(io.StringIO("a,1.5\\nb,2\\na,3\\n")))
db.executemany("insert into cost values (?, ?)", rows)
sums = dict(db.execute("select who, sum(usd) from cost group by who order by who"))
with ThreadPoolExecutor() as pool: squares = list(pool.map(lambda n: n * n, range(4)))
async def main(): await asyncio.sleep(0); return ssl.OPENSSL_VERSION.split()[0]
compiled = [os.path.exists(module.__cached__) for module in (json, ssl, asyncio, pip)]
print(json.dumps([sums, squares, asyncio.run(main()), zlib.crc32(lzma.decompress(lzma.compress(b"x"))), compiled]))`
    const ran = await home.must(["exec", "snake", "--", "python3", "-"], { input: program })
    expect(JSON.parse(ran.stdout)).toEqual([
      { a: 4.5, b: 2 },
      [0, 1, 4, 9],
      "OpenSSL",
      2363233923,
      [true, true, true, true],
    ])
  })
})

describe("the ci image", () => {
  beforeAll(async () => {
    await home.must(["build", "ci", "--relock"], { timeoutMs: 800_000 })
    await home.must(["up", "--image", "ci", "--name", "job"])
  })
  afterAll(() => home.must(["rm", "-f", "job"]))

  it("takes a repository with all that belongs to its check: npm, pip, a C and a C++ compiler, make", async () => {
    const script = `
      mkdir ~/work; cd ~/work; git init --quiet
      printf 'all: c cpp\\nc: main.c\\n\\t$(CC) -O2 -o $@ $< -lm\\ncpp: main.cpp\\n\\t$(CXX) -O2 -o $@ $<\\n' > Makefile
      printf 'check: all\\n\\t./c && ./cpp && node -p "require(\\\\"left-pad\\\\")" && venv/bin/python -m greeter\\n' >> Makefile
      printf '#include <math.h>\\n#include <stdio.h>\\nint main(void) { printf("%%.0f\\\\n", sqrt(1764)); }\\n' > main.c
      printf '#include <iostream>\\nint main() { std::cout << "c++" << std::endl; }\\n' > main.cpp
      echo '{"name":"work","private":true,"dependencies":{"left-pad":"1.0.0"}}' > package.json
      npm install --silent
      python3 -m venv venv; venv/bin/pip install --quiet greeter
      git add Makefile main.c main.cpp package.json
      git -c user.name=A -c user.email=a@example.com commit --quiet -m work
      make --silent check
      git status --short | sort | tr '\\n' ' '; jq -r .name package.json`
    expect(await shell("job", script)).toBe(
      "42\nc++\nleft-pad\n?? c ?? cpp ?? node_modules/ ?? package-lock.json work\n",
    )
  })

  it("lets an agent run the same check", async () => {
    const command = ["pi", "-p", "--provider", "openai", "--model", "gpt-5-nano", "Check the repository."]
    const ran = await home.must(["exec", "job", "--", ...command])
    expect(ran.stdout).toContain("The check passes.")
    const told = await home.must(["exec", "job", "--", "sh", "-c", "cat ~/.pi/agent/sessions/*/*.jsonl"])
    expect(told.stdout).toContain("left-pad")
  })
})
