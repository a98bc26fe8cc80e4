internal import Glibc
internal import NIOCore

/// How far the other side of a TCP connection has come.
enum TCPProgress {
    /// The beginning of Linux's `struct tcp_info`, which glibc's header cuts off before `tcpi_bytes_acked` (Linux 4.1).
    /// The kernel fills as much of it as is asked for.
    private struct Info {
        static let size = 128
        /// Eight of one byte, then 24 of four.
        var before: InlineArray<13, UInt64>
        var pacingRate: UInt64
        var maxPacingRate: UInt64
        var bytesAcknowledged: UInt64
    }

    /// Bytes that the other side's kernel has acknowledged; it stops when nobody reads there and its buffer is full.
    /// Costs a system call.
    /// - Returns: nil where the channel is not TCP. On the channel's loop.
    static func acknowledgedBytes(of channel: any Channel) -> Int? {
        assert(MemoryLayout<Info>.size == Info.size)
        guard let socket = channel as? any SocketOptionProvider, channel.localAddress?.protocol != .unix else {
            return nil
        }
        let info: EventLoopFuture<Info> = socket.unsafeGetSocketOption(
            level: .tcp,
            name: NIOBSDSocket.Option(rawValue: TCP_INFO)
        )
        var acknowledged: Int?
        // On the channel's own loop the option is there at once.
        info.assumeIsolated().whenSuccess { acknowledged = Int(truncatingIfNeeded: $0.bytesAcknowledged) }
        return acknowledged
    }
}
