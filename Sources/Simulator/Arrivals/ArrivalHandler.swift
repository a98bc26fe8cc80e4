internal import NIOCore
internal import NIOHTTPTypes
internal import Synchronization

/// Stamps each request when its head comes off the socket, on the event loop: the hop to the task that answers it is
/// not counted. Also notices at once when a client goes away, which the task would see only when it writes.
final class ArrivalHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let connections: Connections
    private let now: @Sendable () -> Duration
    private let connection = Connection()

    init(connections: Connections, now: @escaping @Sendable () -> Duration) {
        self.connections = connections
        self.now = now
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connections.add(connection, for: context.channel)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        connection.gone()
        connections.remove(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head = unwrapInboundIn(data) { connection.arrived(at: now()) }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.gone()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent { connection.gone() }
        context.fireUserInboundEventTriggered(event)
    }
}

/// Finds the connection of a channel.
final class Connections: Sendable {
    private let open = Mutex<[ObjectIdentifier: Connection]>([:])

    func add(_ connection: Connection, for channel: any Channel) {
        open.withLock { $0[ObjectIdentifier(channel)] = connection }
    }

    func remove(_ channel: any Channel) {
        open.withLock { $0[ObjectIdentifier(channel)] = nil }
    }

    subscript(_ channel: any Channel) -> Connection? {
        open.withLock { $0[ObjectIdentifier(channel)] }
    }
}
