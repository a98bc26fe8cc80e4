import Foundation
import TestSupport
import Testing

@Suite("A call's life, from arrival to drain", .timeLimit(.minutes(3)))
struct LifecycleTests {
    @Test("SIGTERM lets a stream end, and what waits in the queue is served; the exit status is 0")
    func drain() async throws {
        let configuration = Configurations.paced(1, per: "3s", burst: 1)
        let deployment = try await Deployment.start(
            .init(redis: false, simulator: ["--chunk-delay", "150ms"], configuration: configuration)
        )
        async let stream = HTTP.send(
            "POST",
            deployment.address + Paths.stream,
            fields: [Deployment.keyField],
            body: Bodies.generate
        )
        try await eventually("the stream has begun") {
            try await deployment.simulator.arrivals(call: "streamGenerateContent").count == 1
        }
        async let queued = deployment.generate()
        try await eventually("the second call waits") { try await deployment.waiting() == 1 }
        deployment.gateways[0].send(signal: SIGTERM)
        let (first, second) = try await (stream, queued)
        let status = try await deployment.gateways[0].waitForExit(within: .seconds(20))
        #expect(first.status == 200)
        #expect(first.body.contains("\"finishReason\":\"STOP\""))
        #expect(second.status == 200)
        #expect(status == 0)
        try await deployment.stop()
    }

    @Test("A caller that leaves while it waits is gone from the queue, and wastes no slot")
    func leavesQueue() async throws {
        let deployment = try await Deployment.start(
            .init(configuration: Configurations.paced(1, per: "4s", burst: 1))
        )
        _ = try await deployment.generate()
        let leaver = try ServerProcess(
            ["curl", "-s", "-H", Deployment.keyField, "-d", Bodies.generate, deployment.address + Paths.generate]
        )
        try await eventually("it waits") { try await deployment.waiting() == 1 }
        try await leaver.kill()
        try await eventually("it is gone", within: .seconds(1)) { try await deployment.waiting() == 0 }
        let next = try await deployment.generate()
        #expect(next.status == 200)
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        #expect(arrivals.count == 2)
        try await deployment.stop()
    }

    @Test("A caller that leaves cancels its upstream call")
    func cancelsUpstream() async throws {
        let deployment = try await Deployment.start(
            .init(redis: false, simulator: ["--latency", "30s"], configuration: Configurations.all)
        )
        let leaver = try ServerProcess(
            ["curl", "-s", "-H", Deployment.keyField, "-d", Bodies.generate, deployment.address + Paths.generate]
        )
        try await eventually("the call has arrived") {
            try await deployment.simulator.arrivals(call: "generateContent").count == 1
        }
        try await leaver.kill()
        try await eventually("it is cancelled", within: .seconds(3)) {
            try await deployment.simulator.arrivals(call: "generateContent")[0].outcome == "cancelled"
        }
        try await deployment.stop()
    }

    @Test("An upstream that is cut off in mid-stream looks cut off, never complete")
    func cutStream() async throws {
        let deployment = try await Deployment.start(
            .init(redis: false, simulator: ["--cut-stream-rate", "1"], configuration: Configurations.all)
        )
        let result = try await run(
            ["curl", "-s", "-S", "-H", Deployment.keyField, "-d", Bodies.generate, deployment.address + Paths.stream]
        )
        // 18: the transfer ended before its last chunk.
        #expect(result.status == 18)
        #expect(result.output.contains("data: "))
        try await deployment.stop()
    }

    struct Heartbeat: Decodable {
        let text: String
        let seconds: Double
    }

    @Test("google-genai reads a stream that waited with heartbeats for its slot")
    func heartbeat() async throws {
        let configuration = Configurations.paced(1, per: "5s", burst: 1)
            .replacingOccurrences(of: "max_wait = ", with: "heartbeat = \"500ms\"\nmax_wait = ")
        let deployment = try await Deployment.start(.init(redis: false, configuration: configuration))
        let seen: Heartbeat = try await Python.run("genai_heartbeat", [deployment.address, Deployment.key])
        #expect(seen.text.contains("You asked"))
        #expect(seen.seconds > 1)
        try await deployment.stop()
    }
}
