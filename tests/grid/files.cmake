# Of the tests of primitives and losses, those that also test kernels: on the emulated grid, and on a card.
set(grid_test_files
    primitive/table_softmax_test.cpp
    # To come with their kernels:
    # primitive/aligned_terms_test.cpp
    # primitive/barycentric_projection_test.cpp
    # primitive/column_tables_test.cpp
    # primitive/cross_entropy_test.cpp
    # primitive/determinism_test.cpp
    # primitive/deviation_temperature_test.cpp
    # primitive/logit_gradient_test.cpp
    # primitive/logit_gradient_properties_test.cpp
    # primitive/pairwise_cost_test.cpp
    # primitive/plan_rows_test.cpp
    # primitive/problem_copy_test.cpp
    # primitive/sequence_totals_test.cpp
    # primitive/sinkhorn_test.cpp
    # primitive/sinkhorn_extremes_test.cpp
    # primitive/sinkhorn_fixed_point_test.cpp
    # primitive/sinkhorn_forbidden_test.cpp
    # primitive/sinkhorn_fuzz_test.cpp
    # primitive/sinkhorn_golden_test.cpp
    # primitive/sinkhorn_gradient_test.cpp
    # primitive/sinkhorn_stopping_test.cpp
    # primitive/sinkhorn_streaming_test.cpp
    # primitive/table_product_test.cpp
    # primitive/top_columns_test.cpp
    # primitive/vocabulary_mass_test.cpp
    # loss/loss_instances.cpp
    # loss/golden_test.cpp
    # loss/multi_level_test.cpp
    # loss/sinkhorn_divergence_test.cpp
    )
