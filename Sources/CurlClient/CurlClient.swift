internal import CCurl
package import NIOCore

/// HTTP transfers by libcurl on one event loop.
///
/// Owns one `CURLM`. Everything happens on the loop: curl's work, the callbacks, backpressure; nothing locks or blocks.
/// Make it on its loop, and `close()` it there before the watcher and the loop go.
package final class CurlClient {
    /// Easy handles kept for later, some 10 KiB each.
    private static let poolSize = 256
    /// How often curl is asked in one go for what is due at once, before other work of the loop has its turn.
    private static let roundsAtOnce = 8

    package let eventLoop: any EventLoop
    /// The loop's clock, read once for each batch of events.
    private(set) var now: NIODeadline
    private let limits: CurlLimits
    private let watcher: CurlWatcher
    private var watchKey: UInt64 = 0
    private let multi: MultiHandle
    private var sockets: SocketSet
    private var pool: [PooledTransfer] = []
    private var live: [PooledTransfer] = []
    private var postponed: [PooledTransfer] = []
    /// How deep the loop is inside curl, whose handles must not be taken away then.
    private var depth = 0
    private var isSettling = false
    private var isKickScheduled = false
    /// curl wants to be called at once.
    private var isCurlDue = false
    private var curlAlarm: LoopAlarm?
    private var deadlineAlarm: LoopAlarm?
    private var stallGuard = StallGuard()
    private var stallAlarm: LoopAlarm?
    private var lastSweep = NIODeadline.uptimeNanoseconds(0)
    private var isClosing = false
    private var isClosed = false

    /// On the loop.
    package init(eventLoop: any EventLoop, watcher: CurlWatcher, limits: CurlLimits = CurlLimits())
        throws(CurlSetupError)
    {
        eventLoop.preconditionInEventLoop()
        try CurlLibrary.prepare()
        self.eventLoop = eventLoop
        self.watcher = watcher
        self.limits = limits
        now = eventLoop.now
        sockets = try SocketSet()
        multi = try MultiHandle(limits: limits)
        do {
            // The first handle shows whether this libcurl knows all that is asked of it.
            pool.append(try PooledTransfer(client: self, limits: limits))
            try multi.setCallbacks(client: Unmanaged.passUnretained(self).toOpaque())
            // The watcher holds the client until `close()`.
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            watchKey = try watcher.add(sockets.descriptor) {
                eventLoop.execute { bound.value.drain() }
            }
        } catch {
            pool.removeAll()
            multi.free()
            throw error
        }
        curlAlarm = LoopAlarm(eventLoop: eventLoop) { [unowned self] in
            now = eventLoop.now
            isCurlDue = true
            settle()
        }
        deadlineAlarm = LoopAlarm(eventLoop: eventLoop) { [unowned self] in sweep() }
        stallAlarm = LoopAlarm(eventLoop: eventLoop) { [unowned self] in readOnceMore() }
    }

    /// Connections open now, in use or idle, that carried a request.
    package var openConnections: Int { sockets.openCount }

    /// Transfers begun and not ended.
    package var runningTransfers: Int { live.count }

    /// Begins a transfer. The first callback comes after this has returned, on the loop's next turn.
    ///
    /// A request that cannot be sent, and any on a closed client, ends through `transferEnded` too.
    package func start(_ request: TransferRequest, receiver: any TransferReceiver) -> Transfer {
        eventLoop.preconditionInEventLoop()
        guard !isClosing else { return refuse(receiver, .cancelled) }
        let pooled: PooledTransfer
        do {
            pooled = try pool.popLast() ?? PooledTransfer(client: self, limits: limits)
        } catch {
            return refuse(receiver, .other(code: -1, text: "libcurl refused a handle", bytesSent: false))
        }
        let transfer = Transfer(pooled, eventLoop: eventLoop)
        pooled.liveIndex = live.count
        live.append(pooled)
        do {
            try pooled.begin(request, receiver: receiver, handle: transfer, now: eventLoop.now)
        } catch {
            pooled.fail(error)
            return transfer
        }
        if depth > 0 {
            postpone(pooled)
        } else {
            add(pooled)
        }
        if let deadline = pooled.deadline { watch(deadline) }
        return transfer
    }

    /// Ends every transfer with `.cancelled`, closes all connections and leaves the watcher. For good.
    package func close() {
        eventLoop.preconditionInEventLoop()
        guard !isClosing else { return }
        isClosing = true
        if depth == 0, !isSettling { finishClosing() }
    }

    private func finishClosing() {
        guard !isClosed else { return }
        isClosed = true
        while let pooled = live.last { end(pooled, .failure(.cancelled)) }
        watcher.remove(sockets.descriptor, key: watchKey)
        curlAlarm?.cancel()
        deadlineAlarm?.cancel()
        stallAlarm?.cancel()
        postponed.removeAll()
        pool.removeAll()
        insideCurl { multi.free() }
        sockets.shut()
    }

    private func refuse(_ receiver: any TransferReceiver, _ error: TransferError) -> Transfer {
        eventLoop.assumeIsolated().execute { receiver.transferEnded(.failure(error)) }
        return Transfer(nil, eventLoop: eventLoop)
    }
}

// MARK: - Transfers come and go

extension CurlClient {
    private func add(_ pooled: PooledTransfer) {
        let code = insideCurl { multi.add(pooled.easy) }
        if code == CURLM_OK {
            pooled.wasAdded()
        } else {
            pooled.fail(.other(code: code.rawValue, text: "libcurl took no transfer", bytesSent: false))
        }
    }

    /// Takes a transfer away from curl and back to the pool.
    private func retire(_ pooled: PooledTransfer) -> (any TransferReceiver)? {
        if pooled.isAdded {
            insideCurl { pooled.isUnfinished ? multi.abort(pooled.easy) : multi.remove(pooled.easy) }
        }
        let index = pooled.liveIndex
        let last = live.removeLast()
        if last !== pooled {
            live[index] = last
            last.liveIndex = index
        }
        pooled.liveIndex = -1
        let receiver = pooled.finish()
        if pool.count < Self.poolSize, !isClosed { pool.append(pooled) }
        return receiver
    }

    private func end(_ pooled: PooledTransfer, _ result: Result<TransferSummary, TransferError>) {
        retire(pooled)?.transferEnded(result)
    }

    /// Ends a transfer that nobody wants to hear of any more: now, or as soon as curl has returned.
    func discard(_ pooled: PooledTransfer) {
        guard depth == 0 else { return postpone(pooled) }
        _ = retire(pooled)
    }

    /// Leaves what a transfer needs for when curl has returned.
    func postpone(_ pooled: PooledTransfer) {
        guard !pooled.isPostponed else { return }
        pooled.isPostponed = true
        postponed.append(pooled)
        kickLater()
    }

    /// Runs a call into curl, which may call back.
    func insideCurl<Value>(_ call: () -> Value) -> Value {
        depth += 1
        defer { depth -= 1 }
        return call()
    }
}

// MARK: - Driving curl

extension CurlClient {
    /// Serves what is ready and has the watcher wait for more.
    private func drain() {
        guard !isClosed else { return }
        now = eventLoop.now
        var count: Int
        repeat {
            count = sockets.poll()
            for index in 0..<count {
                guard let event = sockets.event(index) else { continue }
                insideCurl { multi.act(event.socket, readiness: event.readiness) }
            }
            settle()
            guard !isClosed else { return }
        } while count == sockets.batchSize
        watcher.rearm(sockets.descriptor, key: watchKey)
    }

    /// Has `settle` run on the loop's next turn, unless it is about to anyway.
    private func kickLater() {
        guard !isKickScheduled, !isSettling else { return }
        isKickScheduled = true
        eventLoop.assumeIsolated().execute { [self] in
            isKickScheduled = false
            guard !isClosed else { return }
            now = eventLoop.now
            settle()
        }
    }

    /// With curl left: does what was put off, hears of the ends, lets curl do what is due; until all is quiet.
    private func settle() {
        isSettling = true
        var rounds = 0
        repeat {
            catchUp()
            reap()
            if isCurlDue, rounds < Self.roundsAtOnce {
                isCurlDue = false
                rounds += 1
                insideCurl { multi.act(CURL_SOCKET_TIMEOUT) }
                reap()
            }
        } while !isClosing && (!postponed.isEmpty || (isCurlDue && rounds < Self.roundsAtOnce))
        isSettling = false
        if isClosing { return finishClosing() }
        if isCurlDue { kickLater() }
    }

    private func catchUp() {
        guard !postponed.isEmpty else { return }
        let work = postponed
        postponed.removeAll(keepingCapacity: true)
        for pooled in work {
            pooled.isPostponed = false
            switch pooled.catchUp() {
            case .nothing: break
            case .add: add(pooled)
            case .discard: _ = retire(pooled)
            case .end(let result): end(pooled, result)
            }
        }
    }

    private func reap() {
        while let ended = multi.nextEnded() {
            let pooled = PooledTransfer.of(sluice_curl_get_private(ended.easy))
            pooled.hasEnded()
            end(pooled, pooled.result(ended.code))
        }
    }
}

// MARK: - Time

extension CurlClient {
    /// Looks at the transfers' deadlines not later than then.
    func watch(_ deadline: NIODeadline) {
        guard let deadlineAlarm, deadline < deadlineAlarm.deadline ?? .distantFuture else { return }
        deadlineAlarm.set(max(deadline, lastSweep + .milliseconds(10)))
    }

    /// Ends what has taken too long. Runs when the earliest deadline known at the last sweep has come, so with equal
    /// time-outs once in a time-out, whatever the number of transfers.
    private func sweep() {
        now = eventLoop.now
        lastSweep = now
        let overdue = live.filter { $0.deadline.map { $0 <= now } ?? false }
        for pooled in overdue {
            // A receiver may have ended others, and begun new ones in their place.
            guard let deadline = pooled.deadline, deadline <= now else { continue }
            end(pooled, .failure(pooled.overdue))
        }
        guard !isClosing, let next = live.lazy.compactMap(\.deadline).min() else { return }
        watch(next)
    }

    /// Something of an HTTP/2 answer came on this socket.
    func received(on socket: Int32) {
        guard stallGuard.received(on: socket, at: now), stallAlarm?.deadline == nil else { return }
        stallAlarm?.set(stallGuard.deadline)
    }

    private func readOnceMore() {
        now = eventLoop.now
        for socket in stallGuard.silent(at: now) {
            insideCurl { multi.act(socket, readiness: CURL_CSELECT_IN) }
        }
        settle()
        if !isClosing, stallAlarm?.deadline == nil { stallAlarm?.set(stallGuard.deadline) }
    }

    /// `CURLMOPT_TIMERFUNCTION`.
    func timerMoved(_ milliseconds: Int) {
        isCurlDue = milliseconds == 0
        if milliseconds > 0 {
            curlAlarm?.set(eventLoop.now + .milliseconds(Int64(milliseconds)))
        } else {
            curlAlarm?.set(nil)
            if isCurlDue { kickLater() }
        }
    }
}

// MARK: - Sockets

extension CurlClient {
    /// `CURLMOPT_SOCKETFUNCTION`.
    func socketWanted(_ socket: Int32, _ interest: Int32, easy: UnsafeMutableRawPointer?) {
        // curl's own handle, which closes idle connections, has no transfer.
        let transfer = easy.flatMap { sluice_curl_get_private($0) }.map { PooledTransfer.of($0) }
        let isServing = transfer?.hasConnection ?? false
        if sockets.want(socket, interest, isServing: isServing) {
            if interest == CURL_POLL_REMOVE {
                transfer?.socketLeft()
            } else if isServing {
                transfer?.isOn(socket, isMultiplexed: sockets.isMultiplexed(socket))
            }
        } else {
            // The kernel watches no more sockets: this transfer would wait for ever.
            transfer?.fail(.other(code: -1, text: "the kernel refused a socket", bytesSent: true))
        }
    }

    func markMultiplexed(_ socket: Int32) {
        sockets.markMultiplexed(socket)
    }

    /// `CURLOPT_OPENSOCKETFUNCTION`.
    func openSocket(_ address: UnsafeMutablePointer<curl_sockaddr>?) -> Int32 {
        guard let address else { return -1 }
        let socket = sluice_open_socket(address)
        if socket >= 0 { sockets.opened(socket) }
        return socket
    }

    /// `CURLOPT_CLOSESOCKETFUNCTION`.
    func closeSocket(_ socket: Int32) -> Int32 {
        sockets.close(socket)
    }
}
