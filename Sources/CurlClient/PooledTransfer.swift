internal import CCurl
internal import NIOCore

/// An easy handle with all that one transfer at a time needs; used again for the next.
///
/// curl's callbacks end here, and from here the receiver is called. Nothing is taken out of curl's hands from within
/// them: that is put off until curl has returned (`CurlClient.postpone`).
final class PooledTransfer {
    private enum Stage {
        case pooled
        /// Begun, not yet curl's.
        case prepared
        /// curl works on it.
        case added
        /// curl is done with it.
        case ended
    }

    private(set) var easy: EasyHandle
    /// The client owns the pool, so it outlives all that is in it.
    private unowned(unsafe) let client: CurlClient
    private let errorText: UnsafeMutablePointer<CChar>
    private var arena = FieldArena()
    private var stage = Stage.pooled

    // What belongs to one transfer.
    private var receiver: (any TransferReceiver)?
    /// They hold each other until the transfer has ended: a weak reference would cost an allocation a transfer.
    private var handle: Transfer?
    private var timeouts = TransferTimeouts()
    private var repeats = false
    private var body: ByteBuffer?
    private var upload: UploadQueue?
    private var needsBodySignalled = false
    private var head = AnswerHead()
    private var received = 0
    private var started = NIODeadline.uptimeNanoseconds(0)
    private var lastByte = NIODeadline.uptimeNanoseconds(0)
    private var firstByteAt: NIODeadline?
    private var wasAsked = false
    /// Why it ends, where that is not curl's finding.
    private var failure: TransferError?
    private var isPaused = false
    /// `CURLPAUSE_…` bits that curl is in.
    private var curlPause: Int32 = 0
    private var wasEverPaused = false
    /// The answer has been read to its end although the body was not sent to its own.
    private var isAnsweredEarly = false
    /// It has got a connection that stands.
    private(set) var hasConnection = false
    /// The connection's, once curl has told.
    private var socket: Int32?
    /// An earlier answer on it was HTTP/2.
    private var isOnHTTP2 = false

    /// Its place in the client's list of running transfers.
    var liveIndex = -1
    /// In the client's list of work put off.
    var isPostponed = false

    init(client: CurlClient, limits: CurlLimits) throws(CurlSetupError) {
        self.client = client
        easy = try EasyHandle(limits: limits)
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try easy.setCallbacks(
            transfer: Unmanaged.passUnretained(self).toOpaque(),
            client: Unmanaged.passUnretained(client).toOpaque(),
            errorText: errorText
        )
    }

    deinit {
        easy.free()
        errorText.deallocate()
    }

    // MARK: Life

    /// - Throws: what is wrong with the request; the transfer is begun in that case too, to be ended by the client.
    func begin(
        _ request: TransferRequest,
        receiver: any TransferReceiver,
        handle: Transfer,
        now: NIODeadline
    ) throws(TransferError) {
        stage = .prepared
        self.receiver = receiver
        self.handle = handle
        timeouts = request.timeouts
        repeats = request.repeatsOnDeadConnection
        started = now
        var bytes: UnsafeRawBufferPointer?
        switch request.body {
        case .none: break
        case .bytes(let buffer):
            // The pointer outlives the closure: the buffer is held until the end and nobody writes to this copy of it,
            // so its storage neither moves nor goes.
            bytes = buffer.withUnsafeReadableBytes { $0 }
            body = buffer
        case .stream(let length):
            upload = UploadQueue(length: length)
        }
        let fields = try arena.build(request.fields, isPost: request.isPost, mayExpect: request.mayExpect)
        try easy.configure(request, fields: fields, body: bytes)
    }

    func wasAdded() {
        stage = .added
    }

    func hasEnded() {
        stage = .ended
    }

    /// Whether curl holds the handle.
    var isAdded: Bool { stage == .added || stage == .ended }
    /// Whether a server works on it.
    var isUnfinished: Bool { stage == .added && hasConnection }

    /// Back to the pool.
    /// - Returns: who is to be told of the end.
    func finish() -> (any TransferReceiver)? {
        defer { receiver = nil }
        handle?.detach()
        handle = nil
        stage = .pooled
        body = nil
        upload = nil
        needsBodySignalled = false
        head.reset()
        received = 0
        firstByteAt = nil
        wasAsked = false
        failure = nil
        isPaused = false
        curlPause = 0
        wasEverPaused = false
        isAnsweredEarly = false
        hasConnection = false
        socket = nil
        isOnHTTP2 = false
        arena.trim()
        return receiver
    }

    // MARK: From the caller

    func cancel() {
        receiver = nil
        client.discard(self)
    }

    func pause() {
        isPaused = true
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        lastByte = client.eventLoop.now
        if let deadline { client.watch(deadline) }
        if curlPause & CURLPAUSE_RECV != 0 { client.postpone(self) }
    }

    var wantsBody: Bool {
        guard let upload else { return false }
        return !upload.isFinished && upload.waiting < Transfer.bodyLowWater
    }

    func send(_ bytes: ByteBuffer) {
        guard upload?.append(bytes) ?? true else { return fail(.bodyLength) }
        needsBodySignalled = false
        if curlPause & CURLPAUSE_SEND != 0 { client.postpone(self) }
    }

    func finishBody() {
        guard upload?.finish() ?? true else { return fail(.bodyLength) }
        if curlPause & CURLPAUSE_SEND != 0 { client.postpone(self) }
    }

    /// Ends it as soon as curl has returned.
    func fail(_ error: TransferError) {
        guard failure == nil else { return }
        failure = error
        client.postpone(self)
    }

    // MARK: What was put off

    enum Postponed {
        case discard, end(Result<TransferSummary, TransferError>), add, nothing
    }

    /// What the client is to do now that curl has returned. Pauses are lifted right here.
    func catchUp() -> Postponed {
        guard stage != .pooled else { return .nothing }
        guard receiver != nil else { return .discard }
        if let failure { return .end(.failure(failure)) }
        if stage == .prepared { return .add }
        if isAnsweredEarly { return .end(earlyResult) }
        var wanted = curlPause
        if !isPaused { wanted &= ~CURLPAUSE_RECV }
        if let upload, upload.waiting > 0 || upload.isFinished { wanted &= ~CURLPAUSE_SEND }
        guard wanted != curlPause else { return .nothing }
        // Set first: curl may call back, and pause again, within.
        curlPause = wanted
        let code = client.insideCurl { easy.pause(wanted) }
        switch code {
        case CURLE_OK, CURLE_BAD_FUNCTION_ARGUMENT:
            // The latter: it has just ended, which is heard of next.
            break
        default:
            return .end(.failure(failure ?? error(code)))
        }
        guard receiver != nil else { return .discard }
        return failure.map { .end(.failure($0)) } ?? .nothing
    }

    // MARK: Time

    /// When the present phase has taken too long; nil: no limit.
    var deadline: NIODeadline? {
        guard stage != .pooled else { return nil }
        if firstByteAt == nil {
            return timeouts.firstByte > .zero ? started + timeouts.firstByte : nil
        }
        guard !isPaused, timeouts.idle > .zero else { return nil }
        return lastByte + timeouts.idle
    }

    var overdue: TransferError {
        .timedOut(firstByteAt == nil ? .firstByte : .idle, bytesSent: easy.bytesSent)
    }

    // MARK: From curl

    func mayStart() -> Bool {
        guard let receiver, failure == nil else { return false }
        let bytesSent = wasAsked && easy.bytesSent && !wasRefused
        guard !bytesSent || repeats else {
            failure = .reset(bytesSent: true)
            return false
        }
        wasAsked = true
        hasConnection = true
        guard receiver.transferMayStart() else {
            failure = .refusedByCheck(bytesSent: bytesSent)
            return false
        }
        return self.receiver != nil && failure == nil
    }

    /// Whether the attempt before this one ended with HTTP/2's REFUSED_STREAM, by the server or, after its GOAWAY, by
    /// nghttp2: then the server did nothing with it (RFC 9113, 8.7). libcurl 7.88 repeats a call on a kept connection
    /// for that, or because the connection broke; in HTTP/2 only the latter leaves a text.
    private var wasRefused: Bool {
        isOnHTTP2 && errorText.pointee == 0
    }

    func isOn(_ socket: Int32, isMultiplexed: Bool) {
        self.socket = socket
        isOnHTTP2 = isMultiplexed
    }

    /// - Returns: whether curl may go on.
    func headerLine(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let receiver, failure == nil else { return false }
        switch head.append(line) {
        case .incomplete, .ignored:
            return true
        case .failed(let error):
            failure = error
            return false
        case .began:
            firstByteAt = client.now
            lastByte = client.now
            if let deadline { client.watch(deadline) }
            return true
        case .complete:
            if head.version == .http2, let socket {
                client.markMultiplexed(socket)
                client.received(on: socket)
            }
            receiver.transferHead(status: head.status, fields: head.takeFields())
            return self.receiver != nil && failure == nil
        }
    }

    /// - Returns: what `CURLOPT_WRITEFUNCTION` is to return.
    func bodyBytes(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let receiver, failure == nil else { return Int(CURL_WRITEFUNC_ERROR) }
        guard !isPaused else {
            curlPause |= CURLPAUSE_RECV
            wasEverPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        }
        lastByte = client.now
        received += bytes.count
        if head.version == .http2, let socket { client.received(on: socket) }
        receiver.transferBody(ByteBuffer(bytes: bytes))
        return self.receiver != nil && failure == nil ? bytes.count : Int(CURL_WRITEFUNC_ERROR)
    }

    /// - Returns: what `CURLOPT_READFUNCTION` is to return.
    func readBody(into target: UnsafeMutableRawBufferPointer) -> Int {
        guard failure == nil, upload != nil else { return Int(CURL_READFUNC_ABORT) }
        if upload?.waiting == 0 { askForBody() }
        guard receiver != nil, failure == nil else { return Int(CURL_READFUNC_ABORT) }
        let count = upload?.read(into: target) ?? 0
        if count == 0, upload?.hasEnded != true {
            curlPause |= CURLPAUSE_SEND
            return Int(CURL_READFUNC_PAUSE)
        }
        if wantsBody { askForBody() }
        return receiver != nil && failure == nil ? count : Int(CURL_READFUNC_ABORT)
    }

    private func askForBody() {
        guard !needsBodySignalled, wantsBody else { return }
        needsBodySignalled = true
        receiver?.transferNeedsBody()
    }

    func openSocket(_ address: UnsafeMutablePointer<curl_sockaddr>?) -> Int32 {
        hasConnection = false
        return client.openSocket(address)
    }

    /// curl waits for nothing on its socket any more. With the sending paused and the head here, that means that the
    /// answer has ended: libcurl 7.88 would wait for the rest of the request's body for ever.
    func socketLeft() {
        guard stage == .added, head.isComplete, curlPause == CURLPAUSE_SEND else { return }
        isAnsweredEarly = true
        client.postpone(self)
    }

    /// A body of bytes curl repeats by itself; of a stream what was sent is gone.
    var canRewind: Bool { upload.map { $0.taken == 0 } ?? true }

    // MARK: The end

    func result(_ code: CURLcode) -> Result<TransferSummary, TransferError> {
        if let failure { return .failure(failure) }
        guard code == CURLE_OK || isWholeAnyway(code) else { return .failure(error(code)) }
        guard head.isComplete else { return .failure(.malformedAnswer("no head")) }
        // libcurl up to 8.3 can drop what a paused HTTP/2 transfer still held when its stream ended
        // (curl/curl#11982): then less came here than it counted.
        guard !wasEverPaused || easy.bytesReceived == received else { return .failure(.truncated) }
        return .success(
            TransferSummary(
                version: head.version,
                timeToFirstByte: Duration((firstByteAt ?? started) - started),
                connectTime: easy.connectTime,
                reusedConnection: easy.newConnections == 0,
                bytesReceived: received,
                bytesSent: upload?.taken ?? easy.bytesUploaded
            )
        )
    }

    /// An HTTP/2 server that answers without reading the request's body to its end closes the stream; libcurl 7.88 then
    /// fails for what it could not send, the answer notwithstanding.
    private func isWholeAnyway(_ code: CURLcode) -> Bool {
        code == CURLE_HTTP2_STREAM && errorText.pointee == 0 && head.isComplete && easy.announcedLength == received
    }

    /// The connection goes with it, for the server may wait for the rest of the body.
    private var earlyResult: Result<TransferSummary, TransferError> {
        let isWhole = easy.announcedLength == received || head.status == 204 || head.status == 304
        return isWhole ? result(CURLE_OK) : .failure(.reset(bytesSent: true))
    }

    private func error(_ code: CURLcode) -> TransferError {
        TransferError(
            code,
            bytesSent: wasAsked && easy.bytesSent,
            errno: easy.systemError,
            detail: String(cString: errorText)
        )
    }
}
