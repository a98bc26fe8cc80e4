import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("A subscriber on a cluster", .serialized, .timeLimit(.minutes(8)))
struct ClusterSubscriberTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let heard = Collected<String>()
    private let confirmed = Collected<String>()

    private func subscribe(
        _ cluster: RedisCluster,
        home: String?,
        to channels: [String]
    ) async throws -> NIOLoopBound<RedisSubscriber> {
        let endpoint = try RedisEndpoint(url: cluster.url)
        let subscriber = try await loop.submit { [loop, heard, confirmed] in
            let subscriber = RedisSubscriber(endpoint: endpoint, home: home, eventLoop: loop, logger: quiet)
            for channel in channels {
                subscriber.subscribe(channel, onSubscribed: { confirmed.add(channel) }) {
                    heard.add(channel + String(buffer: $0))
                }
            }
            return NIOLoopBound(subscriber, eventLoop: loop)
        }.get()
        try await eventually("all are confirmed") { Set(confirmed.values) == Set(channels) }
        return subscriber
    }

    private func close(_ subscriber: NIOLoopBound<RedisSubscriber>) async throws {
        try await loop.submit { subscriber.value.close() }.get()
    }

    @Test("Without a home it hears what is published at any node, and elsewhere when its node is lost")
    func everywhere() async throws {
        let cluster = try await RedisCluster.start()
        let subscriber = try await subscribe(cluster, home: nil, to: ["news"])
        for (number, master) in cluster.masters.enumerated() {
            try await master.command("PUBLISH", "news", "\(number)")
        }
        try await eventually("all are heard") { Set(heard.values) == ["news0", "news1", "news2"] }
        let home = try #require(
            try await firstIndex(of: cluster.masters) {
                try await $0.command("PUBSUB", "CHANNELS") == "news"
            }
        )
        try await cluster.masters[home].kill()
        try await eventually("it is confirmed again", within: .seconds(5)) { confirmed.values.count == 2 }
        try await cluster.masters[(home + 1) % 3].command("PUBLISH", "news", "more")
        try await eventually("it is heard") { heard.values.last == "newsmore" }
        try await close(subscriber)
        try await cluster.stop()
    }

    @Test("With a home it listens in the slot's shard, and follows the slot in order and by failover")
    func sharded() async throws {
        let cluster = try await RedisCluster.start(replicas: 1)
        let home = "{q1:gemini}:G"
        let shard = try await cluster.shard(of: home)
        let (master, replica) = (cluster.masters[shard], cluster.replicas[shard][0])
        let channels = ["{q1:gemini}:p:", "{q1:gemini}:p:me"]
        let subscriber = try await subscribe(cluster, home: home, to: channels)
        #expect(try await master.command("SPUBLISH", channels[1], "1") == "1")
        try await eventually("it is heard") { heard.values == [channels[1] + "1"] }

        // In order: the master hands over and tells its listeners.
        try await replica.command("CLUSTER", "FAILOVER")
        try await cluster.waitUntilMaster(replica)
        try await eventually("it is confirmed by the new master", within: .seconds(5)) { confirmed.values.count == 4 }
        #expect(try await replica.command("SPUBLISH", channels[0], "2") == "1")
        try await eventually("it is heard") { heard.values.last == channels[0] + "2" }

        // And back, as the new one dies.
        try await eventually("the old master follows") { try await master.command("ROLE").hasPrefix("slave") }
        try await eventually("and has its data") {
            try await master.command("INFO", "replication").contains("master_link_status:up")
        }
        try await replica.kill()
        try await cluster.waitUntilMaster(master)
        try await eventually("it is confirmed again", within: .seconds(3)) { confirmed.values.count >= 6 }
        #expect(try await master.command("SPUBLISH", channels[0], "3") == "1")
        try await eventually("it is heard") { heard.values.last == channels[0] + "3" }
        try await close(subscriber)
        try await cluster.stop()
    }

    private func firstIndex(of servers: [RedisServer], _ fits: (RedisServer) async throws -> Bool) async throws -> Int?
    {
        for (index, server) in servers.enumerated() where try await fits(server) { return index }
        return nil
    }
}
