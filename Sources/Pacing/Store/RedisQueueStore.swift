package import Logging
package import NIOCore
package import RedisClient

/// The queue in Redis, shared by all replicas: one script call a call, pushes by PUBLISH on a connection of their own.
///
/// On a cluster both connections go to the master that serves the queue's slot, and pushes stay in its shard (SPUBLISH). Another
/// master there is another run: what it lost is found by a roll call.
///
/// Confined to the loop that it is made on.
package final class RedisQueueStore: QueueStore {
    /// How long a connection that is up waits for its subscription, without which grants cannot be pushed.
    private static let subscriptionPatience = TimeAmount.milliseconds(500)

    private let endpoint: RedisEndpoint
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let replica: String
    private let timeout: TimeAmount
    private let keys: [RedisArgument]
    /// Whose slot is the queue's: all keys and channels have the same tag.
    private let home: String
    private let channel: String
    private var connection: RedisConnection?
    private var subscriber: RedisSubscriber?
    private var onEvent: ((QueueStoreEvent) -> Void)?
    private var run: String?
    private var isSubscribed = false
    private var isAnnounced = false

    /// - Parameters:
    ///   - prefix: of all keys.
    ///   - upstream: its name.
    ///   - replica: the agent's id.
    ///   - timeout: of one call. Longer than what a request waits for Redis otherwise: while a call is late its callers
    ///     only wait, but pacing by itself beside a Redis that lives risks the quota.
    package init(
        endpoint: RedisEndpoint,
        prefix: String,
        upstream: String,
        replica: String,
        eventLoop: any EventLoop,
        logger: Logger,
        timeout: TimeAmount = .milliseconds(500)
    ) {
        self.endpoint = endpoint
        self.eventLoop = eventLoop
        self.logger = logger
        self.replica = replica
        self.timeout = timeout
        let keys = QueueScript.keys(prefix: prefix, upstream: upstream)
        self.keys = keys.map { .text($0) }
        home = keys[0]
        channel = QueueScript.channel(prefix: prefix, upstream: upstream)
    }

    package func start(_ onEvent: @escaping (QueueStoreEvent) -> Void) {
        eventLoop.preconditionInEventLoop()
        self.onEvent = onEvent
        let subscriber = RedisSubscriber(
            endpoint: endpoint,
            home: home,
            eventLoop: eventLoop,
            logger: logger,
            clientName: "sluice-queue-push"
        )
        self.subscriber = subscriber
        subscriber.subscribe(channel) { [weak self] in self?.take($0) }
        subscriber.subscribe(channel + replica, onSubscribed: { [weak self] in self?.subscribed() }) { [weak self] in
            self?.take($0)
        }
        connection = RedisConnection(
            endpoint: endpoint,
            home: home,
            eventLoop: eventLoop,
            logger: logger,
            clientName: "sluice-queue"
        ) { [weak self] in
            self?.changed($0)
        }
    }

    package func call(_ call: QueueCall, _ done: @escaping (Result<QueueReply, QueueStoreError>) -> Void) {
        guard let connection else { return done(.failure(.disconnected)) }
        let arguments = QueueScript.arguments(call, channel: channel, isSharded: endpoint.isCluster, now: nil)
        connection.eval(QueueScript.script, keyArguments: keys, arguments: arguments, timeout: timeout) { result in
            done(Self.outcome(result))
        }
    }

    package func close() {
        onEvent = nil
        connection?.close()
        subscriber?.close()
        connection = nil
        subscriber = nil
    }

    private static func outcome(_ result: Result<RedisReply, RedisError>) -> Result<QueueReply, QueueStoreError> {
        switch result {
        case .success(let reply):
            do throws(QueueStoreError) {
                return .success(try QueueScript.reply(reply))
            } catch {
                return .failure(error)
            }
        case .failure(.timedOut): return .failure(.timedOut)
        case .failure(.notConnected), .failure(.connectionLost), .failure(.malformedReply):
            return .failure(.disconnected)
        case .failure(let error): return .failure(.failed("\(error)"))
        }
    }

    private func changed(_ state: RedisConnectionState) {
        switch state {
        case .up(let server):
            run = server.runID ?? "unknown"
            if isSubscribed { return announce() }
            eventLoop.assumeIsolated().scheduleTask(in: Self.subscriptionPatience) { [weak self] in
                self?.announce()
            }
        case .down:
            run = nil
            isSubscribed = false
            guard isAnnounced else { return }
            isAnnounced = false
            onEvent?(.down)
        }
    }

    private func subscribed() {
        if isAnnounced { onEvent?(.missed) }
        isSubscribed = true
        announce()
    }

    private func announce() {
        guard let run, !isAnnounced else { return }
        isAnnounced = true
        onEvent?(.up(run: run))
    }

    private func take(_ message: ByteBuffer) {
        guard let push = QueueScript.push(message) else {
            return logger.warning("a push to the queue that cannot be read")
        }
        onEvent?(.pushed(push))
    }
}
