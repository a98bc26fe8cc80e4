internal import CPostgres
internal import Glibc

/// Owns one `PGconn` and calls libpq, never in a way that blocks. Its connection, on the reactor's thread, is the only caller.
final class PostgresHandle {
    enum Progress { case done, wantsRead, wantsWrite, failed }

    private let connection: OpaquePointer

    /// Begins to connect. The socket is there at once; the address must be numeric.
    init(connectingTo address: PostgresAddress, parameters: [PostgresEndpoint.Parameter]) throws(PostgresError) {
        var settings = parameters.map { ($0.keyword, $0.value) }
        if !address.host.name.isEmpty { settings.append(("host", address.host.name)) }
        if let numeric = address.address { settings.append(("hostaddr", numeric)) }
        settings.append(("port", address.host.port))
        let pointer = withCStrings(settings.map(\.0)) { keywords in
            withCStrings(settings.map(\.1)) { values in PQconnectStartParams(keywords, values, 0) }
        }
        guard let pointer else { throw .unreachable("out of memory") }
        connection = pointer
        sluice_pg_silence_notices(connection)
    }

    deinit {
        PQfinish(connection)
    }

    var socket: Int32 { PQsocket(connection) }

    var hasFailed: Bool { PQstatus(connection) == CONNECTION_BAD }

    /// Neither in a transaction nor in the middle of a statement.
    var isIdle: Bool { PQtransactionStatus(connection) == PQTRANS_IDLE }

    /// Whether the socket has something to read, or was closed by the other side.
    var hasInput: Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) != 0
    }

    /// libpq's last error in one line, which names hosts and users but no password.
    var errorText: String {
        guard let message = PQerrorMessage(connection) else { return "unknown" }
        return String(cString: message).split(whereSeparator: { $0 == "\n" || $0 == "\t" }).joined(separator: " ")
    }

    /// One step of the handshake. The socket may be another one afterwards.
    func continueConnecting() -> Progress {
        switch PQconnectPoll(connection) {
        case PGRES_POLLING_OK: PQsetnonblocking(connection, 1) == 0 ? .done : .failed
        case PGRES_POLLING_READING: .wantsRead
        case PGRES_POLLING_WRITING: .wantsWrite
        default: .failed
        }
    }

    /// Queues a statement with its parameters: unnamed, so that it needs no state in the session. Results come in binary.
    func send(_ sql: String, _ parameters: [PostgresParameter]) -> Bool {
        let encoded = EncodedParameters(parameters)
        return encoded.withValues { values in
            PQsendQueryParams(
                connection,
                sql,
                Int32(values.count),
                encoded.types,
                values,
                encoded.lengths,
                encoded.formats,
                1
            ) == 1
        }
    }

    /// Writes what is queued, as far as the socket takes it.
    func flush() -> Progress {
        switch PQflush(connection) {
        case 0: .done
        case 1: .wantsWrite
        default: .failed
        }
    }

    /// Reads what the socket has. False: the connection is broken.
    func consumeInput() -> Bool {
        PQconsumeInput(connection) == 1
    }

    /// Whether the next result is not there yet.
    var isBusy: Bool { PQisBusy(connection) == 1 }

    /// The next result; nil after the last. Only while not busy.
    func nextResult() -> Result<ResultMemory, PostgresError>? {
        guard let result = PQgetResult(connection) else { return nil }
        let memory = ResultMemory(owning: result)
        switch PQresultStatus(result) {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return .success(memory)
        default: return .failure(withExtendedLifetime(memory) { failure(result) })
        }
    }

    /// What is needed to ask the server to stop; it survives this handle. nil: out of memory, or already broken.
    func cancelRequest() -> CancelRequest? {
        PQgetCancel(connection).map(CancelRequest.init(owning:))
    }

    private func failure(_ result: OpaquePointer) -> PostgresError {
        guard let code = sluice_pg_sqlstate(result) else {
            // Made by libpq itself: the server is gone.
            return .connectionLost(sent: true, errorText)
        }
        let state = String(cString: code)
        let message = sluice_pg_message(result).map { String(cString: $0) } ?? ""
        // Shut down by an operator, crashed, starting up, timed out while idle; or a proxy lost its server.
        if ["57P01", "57P02", "57P03", "57P05"].contains(state) || state.hasPrefix("08") {
            return .connectionLost(sent: true, "\(state) \(message)")
        }
        return .server(.init(sqlState: state, message: state.hasPrefix("22") ? "invalid data" : message))
    }
}

/// Owns one `PGcancel`.
///
/// Safe to hand to another thread although unchecked: it is written once, and `PQcancel` may be called from any thread.
final class CancelRequest: @unchecked Sendable {
    private let cancel: OpaquePointer

    init(owning cancel: OpaquePointer) {
        self.cancel = cancel
    }

    deinit {
        PQfreeCancel(cancel)
    }

    /// Opens a connection of its own for it, blocking. A failure is ignored: the statement then ends when its connection is closed.
    func send() {
        var reason = [CChar](repeating: 0, count: 256)
        _ = PQcancel(cancel, &reason, Int32(reason.count))
    }
}

/// The strings as a NULL-terminated array, valid during `body`.
private func withCStrings<Result>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
    var memory: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(memory.count)
        memory.append(contentsOf: string.utf8CString)
    }
    return memory.withUnsafeBufferPointer { buffer in
        body(offsets.map { offset in buffer.baseAddress.map { $0 + offset } } + [nil])
    }
}
