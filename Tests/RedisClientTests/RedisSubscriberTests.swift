import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("A subscriber", .timeLimit(.minutes(1)))
struct RedisSubscriberTests {
    private func subscriber(_ redis: RedisServer) async throws -> NIOLoopBound<RedisSubscriber> {
        let endpoint = try RedisEndpoint(url: redis.url)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.submit {
            NIOLoopBound(RedisSubscriber(endpoint: endpoint, eventLoop: loop, logger: quiet), eventLoop: loop)
        }.get()
    }

    private func onLoop(
        _ subscriber: NIOLoopBound<RedisSubscriber>,
        _ body: @escaping @Sendable (RedisSubscriber) -> Void
    ) async throws {
        try await subscriber.eventLoop.submit { body(subscriber.value) }.get()
    }

    @Test("It hears what is published on its channels, and nothing else")
    func messages() async throws {
        let redis = try await RedisServer.start()
        let subscriber = try await subscriber(redis)
        let heard = Collected<String>()
        let confirmed = Collected<String>()
        try await onLoop(subscriber) { subscriber in
            for channel in ["a", "b"] {
                subscriber.subscribe(channel, onSubscribed: { confirmed.add(channel) }) {
                    heard.add(channel + String(buffer: $0))
                }
            }
        }
        try await eventually("both are confirmed") { Set(confirmed.values) == ["a", "b"] }
        try await redis.command("PUBLISH", "a", "1")
        try await redis.command("PUBLISH", "b", "2")
        try await redis.command("PUBLISH", "c", "3")
        try await redis.command("PUBLISH", "b", "4")
        try await eventually("all are heard") { heard.values == ["a1", "b2", "b4"] }
        try await onLoop(subscriber) { $0.close() }
    }

    @Test("After a loss it subscribes again and says so")
    func resubscribes() async throws {
        let redis = try await RedisServer.start()
        let subscriber = try await subscriber(redis)
        let heard = Collected<String>()
        let confirmed = Collected<Void>()
        try await onLoop(subscriber) { subscriber in
            subscriber.subscribe("news", onSubscribed: { confirmed.add(()) }) { heard.add(String(buffer: $0)) }
        }
        try await eventually("it is confirmed") { confirmed.values.count == 1 }
        try await redis.restart(keepingData: false)
        try await eventually("it is confirmed again", within: .seconds(3)) { confirmed.values.count == 2 }
        try await redis.command("PUBLISH", "news", "hello")
        try await eventually("it is heard") { heard.values == ["hello"] }
        try await onLoop(subscriber) { $0.close() }
    }

    @Test("It leaves a Redis that is silent for seconds and comes back", .timeLimit(.minutes(1)))
    func silence() async throws {
        let redis = try await RedisServer.start()
        let subscriber = try await subscriber(redis)
        let confirmed = Collected<Void>()
        try await onLoop(subscriber) { subscriber in
            subscriber.subscribe("news", onSubscribed: { confirmed.add(()) }) { _ in }
        }
        try await eventually("it is confirmed") { confirmed.values.count == 1 }
        redis.pause()
        try await eventually("it leaves") { try await subscriber.eventLoop.submit { !subscriber.value.isUp }.get() }
        redis.resume()
        try await eventually("it is confirmed again", within: .seconds(3)) { confirmed.values.count >= 2 }
        try await onLoop(subscriber) { $0.close() }
    }
}
