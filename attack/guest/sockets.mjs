// Connections and datagrams as any program makes them.

import dgram from "node:dgram"
import { lookup } from "node:dns"
import net from "node:net"
import tls from "node:tls"

const PROXY = { host: "127.0.0.1", port: 3128 }
/** Where redirected connections go to, when no address is meant: the name decides, not the address. */
const ANYWHERE = "1.1.1.1"
const MAX_ANSWER = 100_000

export function tcp({ host, port }, marker) {
  return new Promise((settle) => {
    const socket = net.connect({ host, port: Number(port) })
    socket.on("error", (error) => settle(error.code))
    socket.once("connect", () => {
      socket.write(marker)
      setTimeout(() => socket.destroy(), 300)
      settle("CONNECTED")
    })
  })
}

export function udp({ host, port, hex }, marker) {
  const payload = Buffer.concat([Buffer.from(hex ?? "", "hex"), Buffer.from(marker)])
  return new Promise((settle) => {
    const socket = dgram.createSocket(net.isIPv6(host) ? "udp6" : "udp4")
    const timers = []
    const end = (seen) => {
      for (const timer of timers) clearTimeout(timer)
      socket.removeAllListeners("message")
      settle(seen)
      setTimeout(() => closeOnce(socket), 50)
    }
    socket.on("error", (error) => end(error.code))
    socket.on("message", () => end("ANSWERED"))
    socket.bind(() => {
      try {
        socket.setBroadcast(true)
      } catch (thrown) {
        return end(thrown.code)
      }
      const send = () => socket.send(payload, Number(port), host, (error) => error && end(error.code))
      send()
      timers.push(
        setTimeout(send, 100),
        setTimeout(() => end("sent, silence"), 400),
      )
      return undefined
    })
  })
}

export async function dns({ name, type = 1, server, tcp: overTcp, repeat = 1 }, marker) {
  if (server === undefined) {
    return new Promise((settle) =>
      lookup(name, (error, address) => settle(error ? error.code : `answered ${address}`)),
    )
  }
  if (overTcp) {
    const message = renderQuestion(name, type)
    const framed = Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message])
    return exchange(
      await connect({ host: server, port: 53 }),
      [framed],
      0,
      (seen) => seen.length > 2,
      () => "answered",
    )
  }
  return askByUdp(server, name, type, repeat, marker)
}

function askByUdp(server, name, type, repeat, marker) {
  return new Promise((settle) => {
    const socket = dgram.createSocket("udp4")
    let answers = 0
    const end = (seen) => {
      settle(seen)
      closeOnce(socket)
    }
    socket.once("error", (error) => end(error.code))
    socket.on("message", () => {
      answers += 1
      if (answers === repeat) end(`answered ${answers}`)
    })
    socket.connect(53, server, () => {
      for (let at = 0; at < repeat; at += 1) {
        const asked = repeat === 1 ? name : name.replace(marker, `n${at}.${marker}`)
        socket.send(renderQuestion(asked, type), (error) => error && socket.emit("error", error))
      }
    })
  })
}

/** An error may have closed it before. */
function closeOnce(socket) {
  try {
    socket.close()
  } catch (thrown) {
    if (thrown.code !== "ERR_SOCKET_DGRAM_NOT_RUNNING") throw thrown
  }
}

function renderQuestion(name, type) {
  const labels = name.split(".").filter((label) => label !== "")
  const encoded = labels.flatMap((label) => [label.length, ...Buffer.from(label)])
  return Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...encoded, 0, type >> 8, type & 0xff, 0, 1])
}

export function web({ to, host, method = "GET", path, headers = {}, body = "", fillBytes = 0, sni }, marker) {
  const asked = path ?? `/${marker}`
  const target = to === "proxy" ? `http://${host}${asked}` : asked
  const length = body.length + fillBytes
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (length > 0) lines.push(`Content-Length: ${length}`)
  lines.push("Connection: close", "", body)
  const send = fillBytes > 0 ? [lines.join("\r\n"), "x".repeat(fillBytes)] : [lines.join("\r\n")]
  const named = net.isIP(host) === 0 ? host.replace(/:\d+$/, "") : undefined
  return raw({ kind: "raw", to, sni: sni ?? named, send, address: net.isIPv4(host) ? host : ANYWHERE })
}

export async function raw(how) {
  const { to, sni, connect: tunnel, send, pauseMs = 0, address = ANYWHERE } = how
  const place = to === "proxy" ? PROXY : { host: address, port: to === "http" ? 80 : 443 }
  let socket = await connect(place)
  if (tunnel !== undefined) {
    const asked = `CONNECT ${tunnel} HTTP/1.1\r\nHost: ${tunnel}\r\n\r\n`
    const answer = await exchange(socket, [asked], 0, (seen) => seen.includes("\r\n\r\n"), describe, false)
    if (!answer.startsWith("200")) return answer
  }
  if (to === "https" || tunnel !== undefined) socket = await handshake(socket, sni, how.tls ?? {})
  return exchange(socket, send, pauseMs, isWhole, describe)
}

function connect(place) {
  return new Promise((settle, reject) => {
    const socket = net.connect(place)
    socket.once("connect", () => settle(socket))
    socket.once("error", reject)
  })
}

function handshake(socket, sni, { alpn, max }) {
  return new Promise((settle, reject) => {
    const secure = tls.connect({
      socket,
      rejectUnauthorized: false,
      ALPNProtocols: [alpn ?? "http/1.1"],
      ...(sni === undefined ? {} : { servername: sni }),
      ...(max === undefined ? {} : { minVersion: "TLSv1", maxVersion: max, ciphers: "DEFAULT@SECLEVEL=0" }),
    })
    secure.once("secureConnect", () => settle(secure))
    secure.once("error", reject)
    secure.once("close", () => reject(new Error("closed in the handshake")))
  })
}

/** Sends the texts one by one and settles when the answer is whole, or the connection has ended. */
function exchange(socket, send, pauseMs, whole, tell, close = true) {
  return new Promise((settle) => {
    let seen = ""
    const end = (how) => {
      socket.removeAllListeners("data")
      if (close) socket.destroy()
      settle(seen === "" ? how : tell(seen))
    }
    socket.on("data", (chunk) => {
      if (seen.length < MAX_ANSWER) seen += chunk.toString("latin1")
      if (whole(seen)) end("answered")
    })
    socket.on("error", (error) => end(error.code ?? error.message))
    socket.once("end", () => end("closed"))
    socket.once("close", () => end("closed"))
    void write(socket, send, pauseMs)
  })
}

async function write(socket, send, pauseMs) {
  for (const text of send) {
    if (socket.destroyed) return
    socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text)
    if (pauseMs > 0) await new Promise((settle) => setTimeout(settle, pauseMs))
  }
}

function isWhole(seen) {
  const end = seen.indexOf("\r\n\r\n")
  if (end < 0) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(seen.slice(0, end))
  return length !== null && seen.length >= end + 4 + Number(length[1])
}

function describe(seen) {
  const rule = /stereo-verdict: *(\S+)/i.exec(seen) ?? /"rule":"([^"]+)"/.exec(seen)
  const status = /^HTTP\/1\.1 (\d+)/.exec(seen)
  return [status ? status[1] : seen.slice(0, 20), rule ? rule[1] : ""].join(" ").trim()
}
