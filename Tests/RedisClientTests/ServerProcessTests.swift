import Foundation
import TestSupport
import Testing

@Suite("A server process of a test", .timeLimit(.minutes(1)))
struct ServerProcessTests {
    /// Does nothing until it is ended, as each test does; for ten minutes where the tests themselves were killed.
    private static let idle = ["sleep", "600"]

    @Test("Its output and exit status can be read")
    func result() async throws {
        let result = try await run(["sh", "-c", "echo out; echo problem >&2; exit 3"])
        #expect(result.status == 3)
        #expect(result.output == "out\nproblem\n")
    }

    @Test("Waiting for one that ends early throws its output")
    func endsEarly() async throws {
        let process = try ServerProcess(["sh", "-c", "echo no such option; exit 1"])
        await #expect(throws: ServerFailed.self) { try await process.waitUntilAccepting(port: freePort()) }
        #expect(process.log == "no such option\n")
    }

    @Test("A command that does not exist ends with 127")
    func missing() async throws {
        #expect(try await run(["sluice-has-no-such-command"]).status == 127)
    }

    @Test("The child is killed when whoever started it lets go")
    func letGo() async throws {
        var process: ServerProcess? = try ServerProcess(Self.idle)
        let identifier = try #require(process?.processIdentifier)
        #expect(kill(identifier, 0) == 0)
        process = nil
        try await eventually("the child is gone") { kill(identifier, 0) != 0 }
    }

    @Test("A child that ignores SIGTERM is killed after the limit")
    func stubborn() async throws {
        let process = try ServerProcess(["sh", "-c", "trap '' TERM; echo ready; exec sleep 600"])
        try await process.waitUntilLogged("ready")
        #expect(try await process.terminate(within: .milliseconds(50)) == 128 + SIGKILL)
    }

    @Test("SIGINT reaches a child that does not handle it")
    func interrupt() async throws {
        let process = try ServerProcess(Self.idle)
        // Before, it is the shell that ignores the signal.
        try await eventually("sleep runs") {
            try String(contentsOfFile: "/proc/\(process.processIdentifier)/comm", encoding: .utf8) == "sleep\n"
        }
        process.send(signal: SIGINT)
        #expect(try await process.waitForExit(within: .seconds(5)) == 128 + SIGINT)
    }

    @Test("Free ports differ and nobody listens there")
    func ports() {
        let ports = (0..<50).map { _ in freePort() }
        #expect(Set(ports).count == 50)
        #expect(!ports.contains(where: accepts))
    }

    @Test("A Redis comes back with or without its data")
    func redisData() async throws {
        let redis = try await RedisServer.start()
        try await redis.command("SET", "key", "value")
        try await redis.restart(keepingData: true)
        #expect(try await redis.command("GET", "key") == "value")
        try await redis.restart(keepingData: false)
        #expect(try await redis.command("EXISTS", "key") == "0")
        try await redis.stop()
        #expect(!accepts(port: redis.port))
    }
}
