import { describe, expect, it } from "vitest"
import { readDefinitions } from "../../builder/definition/read-definitions.ts"
import { openFolder, ROOT_IMAGE } from "./project-folder.ts"

describe("readDefinitions", () => {
  it("gives the line of images, the one that extends nothing first", async () => {
    using project = openFolder({
      "images/root/image.toml": ROOT_IMAGE,
      "images/middle/image.toml": 'name = "middle"\ndescription = "m"\nextends = "root"\n',
      "images/top/image.toml": 'name = "top"\ndescription = "t"\nextends = "middle"\n',
    })
    const line = await readDefinitions(project.dir, "top")
    expect(line.map(({ name }) => name)).toEqual(["root", "middle", "top"])
  })

  it.each([
    [
      "an unknown key, with file, line and key",
      `${ROOT_IMAGE}colour = 1\n`,
      "images/root/image.toml:34: resources.colour: unknown key",
    ],
    [
      "a wrong type, with file, line and key",
      ROOT_IMAGE.replace("cpus = 1", 'cpus = "one"'),
      "images/root/image.toml:31: resources.cpus: expected a number, got text",
    ],
    [
      "a name that is not the folder's",
      ROOT_IMAGE.replace('name = "root"', 'name = "other"'),
      'images/root/image.toml:1: name: "other" differs from its folder, root',
    ],
    ["a syntax error, with its line", `${ROOT_IMAGE}[unclosed\n`, "images/root/image.toml:34: "],
    [
      "a loosened knob without a reason",
      `${ROOT_IMAGE}\n[[mask]]\nunits = ["a.service"]\n`,
      "images/root/image.toml:35: mask.0.why: is missing",
    ],
    [
      "a path that climbs out of the image",
      `${ROOT_IMAGE}\n[[link]]\npath = "/usr/../etc/x"\ntarget = "y"\n`,
      "images/root/image.toml:36: link.0.path: expected an absolute path without . or .. parts",
    ],
    [
      "a mode that is not octal",
      `${ROOT_IMAGE}\n[[directory]]\npath = "/a"\nmode = "4755"\n`,
      "images/root/image.toml:37: directory.0.mode: expected an octal mode",
    ],
  ])("refuses %s", async (_claim, text, message) => {
    using project = openFolder({ "images/root/image.toml": text })
    await expect(readDefinitions(project.dir, "root")).rejects.toThrow(message)
  })

  it("refuses a cycle and shows it, with file and line of the last link", async () => {
    using project = openFolder({
      "images/a/image.toml": 'name = "a"\ndescription = "a"\nextends = "b"\n',
      "images/b/image.toml": 'name = "b"\ndescription = "b"\nextends = "a"\n',
    })
    await expect(readDefinitions(project.dir, "a")).rejects.toMatchObject({
      code: "image/cycle",
      message: "images/b/image.toml:3: extends: a cycle: a extends b extends a",
    })
  })

  it("says who asked for an image that is not there, and which ones are", async () => {
    using project = openFolder({
      "images/a/image.toml": 'name = "a"\ndescription = "a"\nextends = "gone"\n',
    })
    await expect(readDefinitions(project.dir, "a")).rejects.toMatchObject({
      code: "image/unknown",
      message: 'images/a/image.toml:3: extends: there is no image "gone"',
      hint: "images here: a; `stereo init image NAME` begins a new one",
    })
  })

  it("knows the name that an image of a profile is kept under", async () => {
    using project = openFolder({
      "images/my-agent/image.toml": "",
      "images/tools/image.toml": "",
      "images/profiles/ec2/image.toml": "",
    })
    await expect(readDefinitions(project.dir, "my-agent-ec2")).rejects.toMatchObject({
      code: "image/unknown",
      hint: "images here: my-agent; my-agent-ec2 is how my-agent is kept with --profile ec2",
    })
  })
})
