#pragma once
/// The name of an inline namespace that holds everything of mlot: it says what the compiler may use
/// of the processor. So objects that were compiled for different instruction sets share no symbol,
/// and a program that chooses among them as it runs gets from each what that one was compiled for.
/// It is `mlot::x86_64_v3::status` that a linker sees; a program goes on saying `mlot::status`.
///
/// Functions whose arguments are mlot's types can be called between files of one instruction set
/// alone. A program that knows better names the set itself, the same in all of its files.
///
/// A letter stands for what the compiler's macro of that name says. Those of a whole level of
/// x86-64 are not written. What no compiler emits by itself (ciphers, say) has no letter.
#ifndef MLOT_INSTRUCTION_SET

#  define MLOT_SET_PAST_1 ,
#  define MLOT_SET_SECOND(unused, letter, ...) letter
#  define MLOT_SET_SECOND_OF(...) MLOT_SET_SECOND(__VA_ARGS__)
#  define MLOT_SET_LETTER_IF(letter, value) MLOT_SET_SECOND_OF(MLOT_SET_PAST_##value letter, , )
/// The letter where `macro` is 1, else nothing.
#  define MLOT_SET_LETTER(letter, macro) MLOT_SET_LETTER_IF(letter, macro)
#  define MLOT_SET_JOINED(name, a, b, c, d, e, f, g, h, ...) name##a##b##c##d##e##f##g##h
/// A name with at most eight letters, or nothing in their place, behind it.
#  define MLOT_SET_JOIN(...) MLOT_SET_JOINED(__VA_ARGS__, , , , , , , , , )

#  if defined(__x86_64__) || defined(__i386__)
#    if !defined(__x86_64__)
#      define MLOT_SET_LEVEL 0
#      define MLOT_SET_NAME \
        MLOT_SET_JOIN(ia32, MLOT_SET_LETTER(s, __SSE__), MLOT_SET_LETTER(2, __SSE2_MATH__))
#    elif !defined(__SSE3__) || !defined(__SSSE3__) || !defined(__SSE4_1__) || \
        !defined(__SSE4_2__) || !defined(__POPCNT__)
#      define MLOT_SET_LEVEL 1
#      define MLOT_SET_NAME x86_64
#    elif !defined(__AVX__) || !defined(__AVX2__) || !defined(__BMI__) || !defined(__BMI2__) || \
        !defined(__F16C__) || !defined(__FMA__) || !defined(__LZCNT__) || !defined(__MOVBE__)
#      define MLOT_SET_LEVEL 2
#      define MLOT_SET_NAME x86_64_v2
#    elif !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512CD__) || \
        !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#      define MLOT_SET_LEVEL 3
#      define MLOT_SET_NAME x86_64_v3
#    else
#      define MLOT_SET_LEVEL 4
#      define MLOT_SET_NAME x86_64_v4
#    endif
#    if MLOT_SET_LEVEL < 2
#      define MLOT_SET_UP_TO_2                                                                    \
        MLOT_SET_JOIN(MLOT_SET_NAME, MLOT_SET_LETTER(3, __SSE3__), MLOT_SET_LETTER(s, __SSSE3__), \
                      MLOT_SET_LETTER(4, __SSE4_1__), MLOT_SET_LETTER(c, __SSE4_2__),             \
                      MLOT_SET_LETTER(p, __POPCNT__))
#    else
#      define MLOT_SET_UP_TO_2 MLOT_SET_NAME
#    endif
#    if MLOT_SET_LEVEL < 3
#      define MLOT_SET_UP_TO_3                                                                     \
        MLOT_SET_JOIN(MLOT_SET_UP_TO_2, MLOT_SET_LETTER(a, __AVX__), MLOT_SET_LETTER(A, __AVX2__), \
                      MLOT_SET_LETTER(b, __BMI__), MLOT_SET_LETTER(B, __BMI2__),                   \
                      MLOT_SET_LETTER(h, __F16C__), MLOT_SET_LETTER(f, __FMA__),                   \
                      MLOT_SET_LETTER(l, __LZCNT__), MLOT_SET_LETTER(m, __MOVBE__))
#    else
#      define MLOT_SET_UP_TO_3 MLOT_SET_UP_TO_2
#    endif
#    if MLOT_SET_LEVEL < 4
#      define MLOT_SET_UP_TO_4                                                            \
        MLOT_SET_JOIN(MLOT_SET_UP_TO_3, MLOT_SET_LETTER(F, __AVX512F__),                  \
                      MLOT_SET_LETTER(W, __AVX512BW__), MLOT_SET_LETTER(C, __AVX512CD__), \
                      MLOT_SET_LETTER(D, __AVX512DQ__), MLOT_SET_LETTER(V, __AVX512VL__))
#    else
#      define MLOT_SET_UP_TO_4 MLOT_SET_UP_TO_3
#    endif
#    define MLOT_SET_WITH_AVX512                                                                 \
      MLOT_SET_JOIN(MLOT_SET_UP_TO_4, MLOT_SET_LETTER(n, __AVX512VNNI__),                        \
                    MLOT_SET_LETTER(i, __AVX512IFMA__), MLOT_SET_LETTER(k, __AVX512VBMI__),      \
                    MLOT_SET_LETTER(K, __AVX512VBMI2__), MLOT_SET_LETTER(t, __AVX512BITALG__),   \
                    MLOT_SET_LETTER(P, __AVX512VPOPCNTDQ__), MLOT_SET_LETTER(z, __AVX512BF16__), \
                    MLOT_SET_LETTER(H, __AVX512FP16__))
#    define MLOT_SET_WITH_AVX                                                                  \
      MLOT_SET_JOIN(MLOT_SET_WITH_AVX512, MLOT_SET_LETTER(N, __AVXVNNI__),                     \
                    MLOT_SET_LETTER(u, __AVXVNNIINT8__), MLOT_SET_LETTER(U, __AVXVNNIINT16__), \
                    MLOT_SET_LETTER(j, __AVXIFMA__), MLOT_SET_LETTER(Z, __AVXNECONVERT__),     \
                    MLOT_SET_LETTER(g, __GFNI__), MLOT_SET_LETTER(e, __AVX512ER__))
#    define MLOT_INSTRUCTION_SET                                                                  \
      MLOT_SET_JOIN(MLOT_SET_WITH_AVX, MLOT_SET_LETTER(x, __XOP__), MLOT_SET_LETTER(y, __FMA4__), \
                    MLOT_SET_LETTER(T, __TBM__), MLOT_SET_LETTER(S, __SSE4A__),                   \
                    MLOT_SET_LETTER(q, __CMPCCXADD__), MLOT_SET_LETTER(G, __APX_F__),             \
                    MLOT_SET_LETTER(v, __AVX10_1__), MLOT_SET_LETTER(w, __AVX10_2__))

#  elif defined(__aarch64__)
#    ifdef __ARM_FEATURE_SVE_BITS
#      define MLOT_SET_VECTOR_BITS __ARM_FEATURE_SVE_BITS
#    else
#      define MLOT_SET_VECTOR_BITS
#    endif
#    define MLOT_SET_WITH_NEON                                                                    \
      MLOT_SET_JOIN(                                                                              \
          aarch64, MLOT_SET_LETTER(h, __ARM_FEATURE_FP16_VECTOR_ARITHMETIC),                      \
          MLOT_SET_LETTER(H, __ARM_FEATURE_FP16_FML), MLOT_SET_LETTER(b, __ARM_FEATURE_BF16),     \
          MLOT_SET_LETTER(d, __ARM_FEATURE_DOTPROD),                                              \
          MLOT_SET_LETTER(i, __ARM_FEATURE_MATMUL_INT8), MLOT_SET_LETTER(q, __ARM_FEATURE_QRDMX), \
          MLOT_SET_LETTER(c, __ARM_FEATURE_COMPLEX), MLOT_SET_LETTER(x, __ARM_FEATURE_SHA3))
#    define MLOT_SET_WITH_SCALARS                                                          \
      MLOT_SET_JOIN(                                                                       \
          MLOT_SET_WITH_NEON, MLOT_SET_LETTER(a, __ARM_FEATURE_ATOMICS),                   \
          MLOT_SET_LETTER(r, __ARM_FEATURE_FRINT), MLOT_SET_LETTER(j, __ARM_FEATURE_JCVT), \
          MLOT_SET_LETTER(s, __ARM_FEATURE_CSSC), MLOT_SET_LETTER(m, __ARM_FEATURE_MOPS))
#    define MLOT_INSTRUCTION_SET                                                  \
      MLOT_SET_JOIN(MLOT_SET_WITH_SCALARS, MLOT_SET_LETTER(v, __ARM_FEATURE_SVE), \
                    MLOT_SET_LETTER(V, __ARM_FEATURE_SVE2),                       \
                    MLOT_SET_LETTER(p, __ARM_FEATURE_SVE2p1),                     \
                    MLOT_SET_LETTER(M, __ARM_FEATURE_SME), MLOT_SET_VECTOR_BITS)

#  else  // coarsely: name the set yourself where a program has objects for several
#    ifdef __riscv_v
#      define MLOT_INSTRUCTION_SET riscv_v
#    else
#      define MLOT_INSTRUCTION_SET                                                            \
        MLOT_SET_JOIN(other, MLOT_SET_LETTER(n, __ARM_NEON), MLOT_SET_LETTER(a, __ALTIVEC__), \
                      MLOT_SET_LETTER(v, __VSX__), MLOT_SET_LETTER(8, _ARCH_PWR8),            \
                      MLOT_SET_LETTER(9, _ARCH_PWR9), MLOT_SET_LETTER(t, _ARCH_PWR10),        \
                      MLOT_SET_LETTER(w, __wasm_simd128__))
#    endif
#  endif
#endif

/// namespace mlot::MLOT_SET::scalar { is how a file of the library begins.
#define MLOT_SET inline MLOT_INSTRUCTION_SET

/// The same within it, for what is other code where OpenMP is compiled in:
/// namespace mlot::MLOT_SET::simd::MLOT_THREADS {
#ifdef _OPENMP
#  define MLOT_THREADS inline openmp
#else
#  define MLOT_THREADS inline one_thread
#endif
