import Gateway
import HTTPWire
import NIOCore
import Testing

@Suite("A call's two clocks")
struct CallDeadlinesTests {
    private let arrival = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func deadlines(_ fields: String, maxWait: Duration = .seconds(60), timeout: Duration? = nil) throws
        -> CallDeadlines
    {
        let block = try FieldBlock(parsing: ByteBuffer(string: fields))
        return CallDeadlines(
            arrival: arrival,
            maxWait: maxWait,
            timeout: timeout.map { ($0, "timeout") },
            preferences: RequestPreferences(fields: block)
        )
    }

    @Test("Without a caller's word the slot is bounded by max_wait and the end by nothing")
    func plain() throws {
        let clocks = try deadlines("")
        #expect(clocks.slot == Deadline(at: arrival + .seconds(60), setting: "upstream.queue.max_wait"))
        #expect(clocks.end == nil)
    }

    @Test("Prefer: wait shortens the wait, and never lengthens it", arguments: [(20, 20), (90, 60), (0, 0)])
    func prefer(asked: Int, granted: Int) throws {
        let clocks = try deadlines("Prefer: wait=\(asked)\r\n")
        #expect(clocks.slot.at == arrival + .seconds(Int64(granted)))
    }

    @Test("The earlier of X-Server-Timeout and timeout ends the call, and bounds its slot too")
    func serverTimeout() throws {
        let clocks = try deadlines("X-Server-Timeout: 30\r\n", timeout: .seconds(45))
        #expect(clocks.end == Deadline(at: arrival + .seconds(30), setting: "X-Server-Timeout"))
        #expect(clocks.slot.at == arrival + .seconds(30))
        let other = try deadlines("X-Server-Timeout: 50\r\n", timeout: .seconds(45))
        #expect(other.end?.setting == "timeout")
    }

    @Test(
        "What is no whole number of seconds is ignored",
        arguments: ["wait=soon", "wait", "wait=1.5", "respond-async", "wait=-1", ""]
    )
    func odd(value: String) throws {
        let block = try FieldBlock(parsing: ByteBuffer(string: "Prefer: \(value)\r\n"))
        #expect(RequestPreferences(fields: block).wait == nil)
    }

    @Test(
        "wait is found among other preferences",
        arguments: ["respond-async, wait=7", "wait=7; x=1, y", "WAIT=\"7\""]
    )
    func among(value: String) throws {
        let block = try FieldBlock(parsing: ByteBuffer(string: "Prefer: \(value)\r\n"))
        #expect(RequestPreferences(fields: block).wait == 7)
    }
}
