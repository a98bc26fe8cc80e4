internal import CCurl

/// A `CURLM *`. Its owner calls `free()` once, after the last easy handle has left.
struct MultiHandle {
    let pointer: UnsafeMutableRawPointer

    /// - Parameter limits: curl takes them as they are here.
    init(limits: CurlLimits) throws(CurlSetupError) {
        guard let pointer = curl_multi_init() else { fatalError("out of memory") }
        self.pointer = pointer
        let numbers: [(CURLMoption, Int)] = [
            (CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX)),
            (CURLMOPT_MAX_HOST_CONNECTIONS, limits.connectionsPerHost),
            (CURLMOPT_MAXCONNECTS, limits.idleConnections),
            (CURLMOPT_MAX_CONCURRENT_STREAMS, limits.streamsPerConnection),
        ]
        for (option, value) in numbers {
            let code = sluice_curl_multi_set_long(pointer, option, value)
            guard code == CURLM_OK else {
                curl_multi_cleanup(pointer)
                throw .library(code: code.rawValue)
            }
        }
    }

    func setCallbacks(client: UnsafeMutableRawPointer) throws(CurlSetupError) {
        let codes = [
            sluice_curl_multi_set_pointer(pointer, CURLMOPT_SOCKETDATA, client),
            sluice_curl_multi_set_pointer(pointer, CURLMOPT_TIMERDATA, client),
            sluice_curl_multi_set_socket_function(pointer) { easy, socket, interest, context, _ in
                CurlClient.of(context).socketWanted(socket, interest, easy: easy)
                return 0
            },
            sluice_curl_multi_set_timer_function(pointer) { _, milliseconds, context in
                CurlClient.of(context).timerMoved(milliseconds)
                return 0
            },
        ]
        for code in codes where code != CURLM_OK {
            throw .library(code: code.rawValue)
        }
    }

    func free() {
        let code = curl_multi_cleanup(pointer)
        precondition(code == CURLM_OK, "curl_multi_cleanup: \(code.rawValue)")
    }

    /// Lets curl work on one socket, or, with `CURL_SOCKET_TIMEOUT`, on what is due.
    func act(_ socket: Int32, readiness: Int32 = 0) {
        var running: Int32 = 0
        let code = curl_multi_socket_action(pointer, socket, readiness, &running)
        // Anything else is memory that ran out, or a call out of turn.
        precondition(code == CURLM_OK, "curl_multi_socket_action: \(code.rawValue)")
    }

    func nextEnded() -> (easy: UnsafeMutableRawPointer, code: CURLcode)? {
        var code = CURLE_OK
        guard let easy = sluice_curl_multi_next_ended(pointer, &code) else { return nil }
        return (easy, code)
    }

    func add(_ easy: EasyHandle) -> CURLMcode {
        curl_multi_add_handle(pointer, easy.pointer)
    }

    func remove(_ easy: EasyHandle) {
        let code = curl_multi_remove_handle(pointer, easy.pointer)
        precondition(code == CURLM_OK, "curl_multi_remove_handle: \(code.rawValue)")
    }

    /// Takes a transfer away in the middle. Its connection goes too, unless other streams use it: libcurl 7.88 leaves
    /// an HTTP/2 stream's RST_STREAM in its buffer until something else is read or sent, and the server would go on
    /// answering nobody.
    func abort(_ easy: EasyHandle) {
        easy.forbidReuse(true)
        remove(easy)
        easy.forbidReuse(false)
    }
}
