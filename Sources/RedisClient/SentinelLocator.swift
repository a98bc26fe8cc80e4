internal import Logging
internal import NIOCore

/// The master that sentinels name (redis.io, "Sentinel client spec"): asked of one after the other, again after each loss, and
/// told by them when another became master.
final class SentinelLocator: RedisLocator {
    private static let switched = "+switch-master"

    private let master: String
    private var sentinels: [RedisPlace]
    private let inquiry: RedisInquiry
    private let logger: Logger
    private var last: RedisPlace?
    private var subscriber: RedisSubscriber?

    init(master: String, sentinels: [RedisPlace], dialer: RedisDialer, logger: Logger) {
        self.master = master
        self.sentinels = sentinels
        self.logger = logger
        inquiry = RedisInquiry(dialer: dialer)
    }

    func locate(_ done: @escaping (RedisPlace?) -> Void) {
        ask { place in
            self.last = place
            done(place)
        }
    }

    /// Listens to one sentinel at a time, another where that one is lost.
    func watch(_ onMove: @escaping () -> Void) {
        let subscriber = RedisSubscriber(
            endpoint: inquiry.dialer.endpoint,
            target: .found(by: SentinelRotation(sentinels)),
            greeting: .sentinel,
            eventLoop: inquiry.dialer.eventLoop,
            logger: logger,
            clientName: "sluice-sentinel",
            isSharded: false,
            onStateChange: { _ in }
        )
        self.subscriber = subscriber
        let look = { [weak self] in
            self?.ask { place in
                guard let self, let place, let last = self.last, place != last else { return }
                onMove()
            }
        }
        // What happened while nobody listened is found by asking.
        subscriber.subscribe(Self.switched, onSubscribed: { look() }) { [master] message in
            // "name old-address old-port new-address new-port"
            if String(buffer: message).split(separator: " ").first.map(String.init) == master { look() }
        }
    }

    func close() {
        subscriber?.close()
        subscriber = nil
    }

    private func ask(_ done: @escaping (RedisPlace?) -> Void) {
        let question: [RedisArgument] = ["SENTINEL", "get-master-addr-by-name", .text(master)]
        inquiry.ask(sentinels, question, read: { (place: Self.place($0), sentinel: $1) }) { answer in
            // Who answered is asked first the next time.
            if let answer, let index = self.sentinels.firstIndex(of: answer.sentinel) {
                self.sentinels.swapAt(0, index)
            } else {
                self.sentinels.shuffle()
            }
            done(answer?.place)
        }
    }

    /// - Returns: `nil` where the sentinel knows no master of that name.
    private static func place(_ reply: RedisReply) -> RedisPlace? {
        guard let parts = reply.array, parts.count == 2, let host = parts[0].string,
            let port = parts[1].string.flatMap({ Int($0) })
        else { return nil }
        return .tcp(host: host, port: port)
    }
}

/// One of several places after the other.
final class SentinelRotation: RedisLocator {
    private var places: [RedisPlace]

    init(_ places: [RedisPlace]) { self.places = places }

    func locate(_ done: @escaping (RedisPlace?) -> Void) {
        places.append(places.removeFirst())
        done(places.last)
    }

    func watch(_ onMove: @escaping () -> Void) {}

    func close() {}
}
