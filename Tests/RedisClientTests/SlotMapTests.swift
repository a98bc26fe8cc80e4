import NIOCore
import RedisClient
import Testing

@Suite struct SlotMapTests {
    private static let asked = RedisPlace.tcp(host: "10.0.0.1", port: 7000)

    private static func text(_ text: String) -> RedisReply { .bytes(ByteBuffer(string: text)) }

    private static func node(_ host: RedisReply, _ port: Int) -> RedisReply {
        .array([host, .integer(port), text("id"), .array([])])
    }

    private static func range(_ first: Int, _ last: Int, _ nodes: RedisReply...) -> RedisReply {
        .array([.integer(first), .integer(last)] + nodes)
    }

    @Test("It tells each slot's master, and whom else to ask")
    func masters() throws {
        let map = try #require(
            SlotMap(
                .array([
                    Self.range(0, 99, Self.node(Self.text("a"), 1), Self.node(Self.text("b"), 2)),
                    Self.range(200, 16_383, Self.node(Self.text("c"), 3)),
                ]),
                asked: Self.asked
            )
        )
        #expect(map.masters == [.tcp(host: "a", port: 1), .tcp(host: "c", port: 3)])
        #expect(map.replicas == [.tcp(host: "b", port: 2)])
        #expect(map.master(of: KeySlot("")) == .tcp(host: "a", port: 1))
        #expect(map.master(of: KeySlot("foo")) == .tcp(host: "c", port: 3))
        #expect(!map.isWhole)
    }

    @Test("A node without a name is where it was asked; one that is unknown serves nobody", arguments: ["", nil])
    func names(host: String?) throws {
        let name = host.map { Self.text($0) } ?? .null
        let map = try #require(
            SlotMap(
                .array([
                    Self.range(0, 8191, Self.node(name, 7001)),
                    Self.range(8192, 16_383, Self.node(Self.text("?"), 7002)),
                ]),
                asked: Self.asked
            )
        )
        #expect(map.master(of: KeySlot("")) == .tcp(host: "10.0.0.1", port: 7001))
        #expect(map.master(of: KeySlot("foo")) == nil)
    }

    @Test("A slot that moved is remembered, and the others are left")
    func move() throws {
        var map = try #require(
            SlotMap(.array([Self.range(0, 16_383, Self.node(Self.text("a"), 1))]), asked: Self.asked)
        )
        #expect(map.isWhole)
        map.move(KeySlot("foo"), to: .tcp(host: "b", port: 2))
        #expect(map.master(of: KeySlot("foo")) == .tcp(host: "b", port: 2))
        #expect(map.master(of: KeySlot("bar")) == .tcp(host: "a", port: 1))
        #expect(map.isWhole)
    }

    @Test(
        "What is no map is none",
        arguments: [
            RedisReply.null, .status("OK"), .array([.integer(1)]),
            .array([.array([.integer(5), .integer(3), .array([])])]),
            .array([.array([.integer(0), .integer(16_384), .array([])])]),
        ]
    )
    func malformed(reply: RedisReply) {
        #expect(SlotMap(reply, asked: Self.asked) == nil)
    }
}
