internal import CCurl
internal import Glibc

/// curl's sockets of one client, in an epoll set of their own.
///
/// curl takes a socket out after every transfer and puts it back for the next. Its registration is kept meanwhile,
/// marked idle: a fifth of a transfer's cost. An idle socket that fires (the server closed it, or a paused transfer has
/// more to read) is taken out for real.
///
/// What curl closes must be forgotten, for its number comes back. libcurl 7.88 tells of the close of a connection that
/// served (`CURLOPT_CLOSESOCKETFUNCTION`), but closes unseen what never came to that: failed and abandoned connects, and
/// its resolver's pipes. So only sockets that served are kept.
struct SocketSet: ~Copyable {
    /// What is known of one descriptor; the low bits are curl's `CURL_POLL_IN` and `CURL_POLL_OUT`.
    private struct Registration: OptionSet {
        let rawValue: UInt8
        static let read = Registration(rawValue: UInt8(CURL_POLL_IN))
        static let write = Registration(rawValue: UInt8(CURL_POLL_OUT))
        /// Speaks HTTP/2.
        static let multiplexed = Registration(rawValue: 0x10)
        static let idle = Registration(rawValue: 0x20)
        /// Opened through this client.
        static let opened = Registration(rawValue: 0x40)
        /// Carried a request, so its close will be told.
        static let served = Registration(rawValue: 0x80)
        static let interest: Registration = [.read, .write]
    }

    private(set) var descriptor: Int32
    /// Sockets open now that carried a request.
    private(set) var openCount = 0
    private var registrations: [Registration] = []
    private let events: UnsafeMutableBufferPointer<epoll_event>

    init() throws(CurlSetupError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw .system(call: "epoll_create1", errno: errno) }
        events = .allocate(capacity: 256)
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
        events.deallocate()
    }

    /// Gives the set back before its owner goes.
    mutating func shut() {
        Glibc.close(descriptor)
        descriptor = -1
    }

    mutating func opened(_ socket: Int32) {
        grow(to: socket)
        registrations[Int(socket)] = .opened
    }

    /// Closes a socket. The kernel takes it out of the set with that.
    mutating func close(_ socket: Int32) -> Int32 {
        if registrations.indices.contains(Int(socket)) {
            if registrations[Int(socket)].contains(.served) { openCount -= 1 }
            registrations[Int(socket)] = []
        }
        return Glibc.close(socket)
    }

    /// - Parameters:
    ///   - interest: curl's `CURL_POLL_…`.
    ///   - isServing: the transfer that it is for is on a connection that stands.
    /// - Returns: false: the kernel refused it; errno says why.
    mutating func want(_ socket: Int32, _ interest: Int32, isServing: Bool) -> Bool {
        grow(to: socket)
        let known = registrations[Int(socket)]
        if interest == CURL_POLL_REMOVE {
            if known.contains(.served) {
                registrations[Int(socket)].insert(.idle)
            } else {
                take(out: socket)
                registrations[Int(socket)] = []
            }
            return true
        }
        if isServing, known.contains(.opened), !known.contains(.served) {
            registrations[Int(socket)].insert(.served)
            openCount += 1
        }
        let wanted = Registration(rawValue: UInt8(truncatingIfNeeded: interest)).intersection(.interest)
        let present = known.intersection(.interest)
        registrations[Int(socket)].remove([.read, .write, .idle])
        registrations[Int(socket)].formUnion(wanted)
        guard wanted != present else { return true }
        let operation = present.isEmpty ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        let events =
            (wanted.contains(.read) ? UInt32(sluice_epoll_in) : 0)
            | (wanted.contains(.write) ? UInt32(sluice_epoll_out) : 0)
        if sluice_epoll_control(descriptor, operation, socket, events, UInt64(UInt32(bitPattern: socket))) == 0 {
            return true
        }
        registrations[Int(socket)].remove(.interest)
        return false
    }

    mutating func markMultiplexed(_ socket: Int32) {
        registrations[Int(socket)].insert(.multiplexed)
    }

    /// Whether an answer on it was HTTP/2.
    func isMultiplexed(_ socket: Int32) -> Bool {
        registrations[Int(socket)].contains(.multiplexed)
    }

    /// Fetches what is ready, without waiting.
    /// - Returns: how many of `event(_:)`; a full batch means that more may be ready.
    mutating func poll() -> Int {
        let count = epoll_wait(descriptor, events.baseAddress, Int32(events.count), 0)
        precondition(count >= 0 || errno == EINTR, "epoll_wait failed: errno \(errno)")
        return max(0, Int(count))
    }

    var batchSize: Int { events.count }

    /// - Returns: the socket and curl's `CURL_CSELECT_…`; nil where it fired while idle and was taken out.
    mutating func event(_ index: Int) -> (socket: Int32, readiness: Int32)? {
        let bits = Int32(bitPattern: events[index].events)
        let socket = Int32(truncatingIfNeeded: events[index].data.u64)
        if registrations[Int(socket)].contains(.idle) {
            take(out: socket)
            return nil
        }
        let readiness =
            (bits & Int32(sluice_epoll_in) != 0 ? CURL_CSELECT_IN : 0)
            | (bits & Int32(sluice_epoll_out) != 0 ? CURL_CSELECT_OUT : 0)
            | (bits & Int32(sluice_epoll_failed) != 0 ? CURL_CSELECT_ERR : 0)
        return (socket, readiness)
    }

    private mutating func take(out socket: Int32) {
        let known = registrations[Int(socket)]
        registrations[Int(socket)] = known.intersection([.opened, .served, .multiplexed])
        guard !known.isDisjoint(with: .interest) else { return }
        // It may be closed already, and then is out already.
        _ = sluice_epoll_control(descriptor, EPOLL_CTL_DEL, socket, 0, 0)
    }

    private mutating func grow(to socket: Int32) {
        let missing = Int(socket) + 1 - registrations.count
        if missing > 0 {
            registrations.append(contentsOf: repeatElement([], count: max(missing, 64)))
        }
    }
}
