import NIOCore
import RedisClient
import Testing

@Suite struct ClusterReactionTests {
    private static let asked = RedisPlace.tcp(host: "10.0.0.1", port: 7000)

    private static func reaction(
        _ message: String,
        detours: Int = 0,
        timeLeft: TimeAmount = .seconds(1)
    ) -> ClusterReaction {
        ClusterReaction(RedisServerError(message: message), detours: detours, timeLeft: timeLeft, asked: asked)
    }

    @Test("A command follows a slot that moved, and asks where one is on its way to")
    func redirections() {
        let there = RedisPlace.tcp(host: "10.0.0.2", port: 7001)
        #expect(Self.reaction("MOVED 12182 10.0.0.2:7001") == .move(KeySlot("foo"), to: there))
        #expect(Self.reaction("ASK 12182 10.0.0.2:7001") == .ask(there))
        #expect(Self.reaction("MOVED 12182 :7001") == .move(KeySlot("foo"), to: .tcp(host: "10.0.0.1", port: 7001)))
        #expect(Self.reaction("ASK 12182 fe80::1:7001") == .ask(.tcp(host: "fe80::1", port: 7001)))
    }

    @Test(
        "What will pass is waited for, twice as long each time",
        arguments: ["TRYAGAIN Multiple keys", "CLUSTERDOWN The cluster is down", "LOADING", "MASTERDOWN Link"]
    )
    func waits(message: String) {
        #expect(Self.reaction(message) == .wait(.milliseconds(2)))
        #expect(Self.reaction(message, detours: 3) == .wait(.milliseconds(16)))
        #expect(Self.reaction(message, detours: 11) == .wait(.milliseconds(128)))
    }

    @Test("Nothing is waited for longer than the command has time")
    func deadline() {
        #expect(Self.reaction("TRYAGAIN", timeLeft: .milliseconds(2)) == .report)
        #expect(Self.reaction("MOVED 1 a:1", timeLeft: .zero) == .report)
    }

    @Test("Two nodes that send a command to and fro do not keep it")
    func bounded() {
        #expect(Self.reaction("MOVED 1 a:1", detours: 3) == .wait(.milliseconds(16)))
        #expect(Self.reaction("MOVED 1 a:1", detours: 12) == .report)
        #expect(Self.reaction("ASK 1 a:1", detours: 12) == .report)
        #expect(Self.reaction("TRYAGAIN", detours: 12, timeLeft: .hours(1)) == .report)
    }

    @Test(
        "Every other error is the caller's",
        arguments: [
            "ERR no", "NOSCRIPT", "OOM", "MOVED", "MOVED x a:1", "MOVED 16384 a:1", "MOVED 1 a:0", "ASK 1 a", "",
        ]
    )
    func others(message: String) {
        #expect(Self.reaction(message) == .report)
    }
}
