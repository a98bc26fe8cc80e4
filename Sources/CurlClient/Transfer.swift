package import NIOCore

/// The caller's end of one transfer. Lives on the client's loop; after the end every call is without effect.
package final class Transfer {
    /// Below this many bytes waiting to be sent the receiver is asked for more.
    package static let bodyLowWater = 64 * 1024

    /// nil once ended: the pooled half then serves another transfer.
    private var pooled: PooledTransfer?
    private let eventLoop: any EventLoop

    init(_ pooled: PooledTransfer?, eventLoop: any EventLoop) {
        self.pooled = pooled
        self.eventLoop = eventLoop
    }

    /// Takes no more of the body until `resume()`. Up to 16 KiB already read stay in libcurl; with HTTP/2 the server
    /// may go on to fill the stream's window, 32 MiB in libcurl 7.88. Calls do not add up.
    package func pause() {
        eventLoop.preconditionInEventLoop()
        pooled?.pause()
    }

    package func resume() {
        eventLoop.preconditionInEventLoop()
        pooled?.resume()
    }

    /// Whether less than `bodyLowWater` waits to be sent. `false`: stop until `transferNeedsBody()`.
    package var wantsBody: Bool {
        eventLoop.preconditionInEventLoop()
        return pooled?.wantsBody ?? false
    }

    /// Appends to a `.stream` body; kept, not copied. What is sent beyond `bodyLowWater` waits in memory.
    package func send(_ bytes: ByteBuffer) {
        eventLoop.preconditionInEventLoop()
        pooled?.send(bytes)
    }

    /// Ends a `.stream` body. A length other than the declared one ends the transfer with `.bodyLength`.
    package func finishBody() {
        eventLoop.preconditionInEventLoop()
        pooled?.finishBody()
    }

    /// Ends the transfer at once. No call reaches the receiver any more, `transferEnded` included.
    package func cancel() {
        eventLoop.preconditionInEventLoop()
        let cancelled = pooled
        pooled = nil
        cancelled?.cancel()
    }

    func detach() {
        pooled = nil
    }
}
